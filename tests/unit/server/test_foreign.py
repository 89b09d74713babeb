"""Files in a folder that another account may change at any moment, here in folders of the test's own."""

from __future__ import annotations

import os
import resource
import signal
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from hpotool.server.account import Account
from hpotool.server.foreign import ForeignFolder

OWN = Account("me", os.getuid(), os.getgid(), switch=False)


@pytest.fixture
def folder(tmp_path: Path) -> ForeignFolder:
    (tmp_path / "data" / "inside").mkdir(parents=True)
    return ForeignFolder(OWN, tmp_path, ("data", "inside"))


def _as_root_would(folder: ForeignFolder) -> ForeignFolder:
    """The same without following links, and with the files given to the account, which here is the test's own."""
    return replace(folder, account=replace(OWN, switch=True))


def test_a_file_is_written_read_measured_renamed_and_removed(folder: ForeignFolder, tmp_path: Path) -> None:
    inside = tmp_path / "data" / "inside"
    assert folder.size("hba") == 0
    folder.write("hba", "host all ü\n")
    assert (inside / "hba").read_text() == folder.read("hba") == "host all ü\n"
    assert folder.size("hba") == len("host all ü\n".encode())
    assert folder.read("hba", offset=5) == "all ü\n"
    assert stat.S_IMODE((inside / "hba").stat().st_mode) == 0o600
    folder.write("hba", "another\n")
    folder.rename("hba", "old")
    assert sorted(path.name for path in inside.iterdir()) == ["old"], "nothing unfinished stays"
    folder.remove("old")
    folder.remove("old")
    assert list(inside.iterdir()) == []


@pytest.mark.parametrize("size", [1, 4096, 100_000])
def test_a_disk_that_is_full_in_the_middle_leaves_the_old_file(folder: ForeignFolder, size: int) -> None:
    """The kernel takes a part of the bytes without an error, and only then none."""
    folder.write("hba", "old")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, before[1]))
    try:
        with pytest.raises(OSError, match="large"):
            folder.write("hba", "n" * size)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert folder.read("hba") == "old"
    folder.write("hba", "n" * size)
    assert folder.read("hba") == "n" * size, "what was left unfinished is in nobody's way"


def test_a_link_is_followed_in_a_folder_of_ones_own_and_nowhere_else(
    folder: ForeignFolder, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("secret")
    (tmp_path / "data" / "inside" / "link").symlink_to(victim)
    assert folder.read("link") == "secret"
    guarded = _as_root_would(folder)
    with pytest.raises(OSError, match="symbolic link"):
        guarded.read("link")
    assert guarded.size("link") == len(str(victim)), "of the link itself"
    guarded.write("link", "new")
    assert victim.read_text() == "secret"
    assert guarded.read("link") == "new"


def test_a_folder_on_the_way_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "real")
    guarded = _as_root_would(ForeignFolder(OWN, tmp_path, ("data",)))
    for call in (lambda: guarded.write("a", "b"), lambda: guarded.read("a"), lambda: guarded.size("a")):
        with pytest.raises(OSError, match=r"symbolic link|Not a directory"):
            call()
    assert list((tmp_path / "real").iterdir()) == []


def test_an_unfinished_file_that_is_a_link_is_removed_and_not_written_through(
    folder: ForeignFolder, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("secret")
    (tmp_path / "data" / "inside" / "hba.unfinished").symlink_to(victim)
    _as_root_would(folder).write("hba", "new")
    assert (victim.read_text(), folder.read("hba")) == ("secret", "new")


def test_an_error_names_the_file(folder: ForeignFolder, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        folder.read("none")
    assert error.value.filename == str(tmp_path / "none")
