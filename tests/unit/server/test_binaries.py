"""Which installation of Postgres is used: programs that answer, in order, and none that is too old."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpotool.errors import DatabaseUnreachableError
from hpotool.server import binaries
from hpotool.server.account import Account, make_reachable, server_account
from hpotool.server.binaries import Binaries, all_binaries, find_binaries


def _install(folder: Path, says: str = "postgres (PostgreSQL) 16.4", without: str = "") -> Path:
    folder.mkdir(parents=True)
    for name in ("initdb", "pg_ctl", "postgres"):
        if name != without:
            (folder / name).write_text(f"#!/bin/sh\necho '{says}'\n")
            (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no Postgres but what the test installs below this folder."""
    monkeypatch.setattr(binaries, "_SYSTEM_FOLDERS", (f"{tmp_path}/lib/*/bin",))
    monkeypatch.setattr(binaries, "_WHEEL", "no_such_wheel")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return tmp_path


def _majors() -> list[int]:
    return [each.major for each in all_binaries()]


def test_the_one_on_path_comes_first_then_the_newest(machine: Path) -> None:
    for version in (9, 13, 17, 14):
        _install(machine / "lib" / f"{version}" / "bin", f"postgres (PostgreSQL) {version}.1")
    _install(machine / "path", "postgres (PostgreSQL) 15.0")
    assert _majors() == [15, 17, 14, 13], "9 is too old"
    assert find_binaries().folder == machine / "path"
    assert find_binaries(14).program("initdb") == machine / "lib/14/bin/initdb"


def test_a_link_on_path_leads_to_the_folder_that_has_the_others(machine: Path) -> None:
    real = _install(machine / "lib" / "16" / "bin")
    (machine / "path").mkdir()
    (machine / "path/initdb").symlink_to(real / "initdb")
    assert [each.folder for each in all_binaries()] == [real], "and it is listed once"


@pytest.mark.parametrize(
    ("says", "major"),
    [
        ("postgres (PostgreSQL) 18beta1", 18),
        ("postgres (PostgreSQL) 16.4 (Debian 16.4-1.pgdg120+1)", 16),
        ("postgres (EnterpriseDB Advanced PostgreSQL) 14", 14),
    ],
)
def test_a_version_is_read_however_it_is_said(machine: Path, says: str, major: int) -> None:
    _install(machine / "path", says)
    assert _majors() == [major]


def test_what_is_not_whole_or_does_not_answer_is_no_installation(machine: Path) -> None:
    _install(machine / "lib" / "13" / "bin", without="pg_ctl")
    _install(machine / "lib" / "14" / "bin", "something else")
    broken = _install(machine / "lib" / "15" / "bin")
    (broken / "postgres").write_text("no program")
    plain = _install(machine / "lib" / "16" / "bin")
    (plain / "initdb").chmod(0o644)
    assert _majors() == []
    with pytest.raises(DatabaseUnreachableError, match="no Postgres programs are installed"):
        find_binaries()


def test_a_version_that_is_not_here_is_named_beside_those_that_are(machine: Path) -> None:
    for version in (14, 16):
        _install(machine / "lib" / f"{version}" / "bin", f"postgres (PostgreSQL) {version}.1")
    with pytest.raises(DatabaseUnreachableError, match="Postgres 15 is needed, but this machine has only 16, 14"):
        find_binaries(15)


def test_whoever_is_not_root_runs_it_as_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 54321)
    account = server_account()
    assert (account.name, account.uid, account.switch) == ("54321", 54321, False), "without an entry, by number"
    assert "user" not in account.popen_arguments()


def test_root_runs_it_as_another_or_says_that_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    account = server_account()
    assert account.switch
    assert account.uid != 0
    arguments = account.popen_arguments()
    assert (arguments["user"], arguments["extra_groups"]) == (account.uid, [])
    monkeypatch.setattr("hpotool.server.account._WANTED_BY_ROOT", ("no-such-user",))
    with pytest.raises(DatabaseUnreachableError, match="has no user 'postgres' or 'nobody'"):
        server_account()


def test_the_server_inherits_no_setting_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "LD_PRELOAD"):
        monkeypatch.setenv(name, "x")
    environment = Account("ann", 5, 5, switch=False).popen_arguments()["env"]
    assert set(environment) == {"PATH", "LC_ALL", "TZ", "USER", "LOGNAME", "HOME"}
    assert environment["USER"] == "ann"


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "can"),
    [
        (0o700, 0, 0, True), (0o600, 0, 0, False), (0o710, 1, 0, True), (0o701, 1, 0, False), (0o701, 1, 1, True),
        (0o710, 1, 1, False),
    ],
)  # fmt: skip
def test_an_account_reaches_what_it_may_search(tmp_path: Path, mode: int, uid: int, gid: int, can: bool) -> None:
    status = tmp_path.stat()
    folder = tmp_path / "f"
    folder.mkdir()
    folder.chmod(mode)
    account = Account("x", status.st_uid + uid, status.st_gid + gid, switch=True)
    assert account._can_search(folder) is can
    folder.chmod(0o700)
    assert Account("x", status.st_uid + 1, status.st_gid + 1, switch=False).can_reach(folder), "it is the caller"


def test_only_the_wheels_programs_are_copied_and_whole_or_not_at_all(tmp_path: Path) -> None:
    package = tmp_path / "site" / "wheel"
    _install(package / "pginstall16" / "bin")
    (package / "pginstall16" / "include").mkdir()
    libraries = tmp_path / "site" / "wheel.libs"
    libraries.mkdir()
    (libraries / "lib.so").write_text("library")
    (tmp_path / "site").chmod(0o700)
    found = Binaries(package / "pginstall16" / "bin", 16, from_wheel=True)
    status = tmp_path.stat()
    stranger = Account("x", status.st_uid + 1, status.st_gid + 1, switch=True)
    kept = tmp_path / "copies"
    (kept / "wheel-16.unfinished").mkdir(parents=True)
    copy = make_reachable(found, stranger, kept)
    assert copy.program("postgres").is_file()
    assert (copy.folder.parents[2] / "wheel.libs" / "lib.so").read_text() == "library", "at the same relative path"
    assert not (copy.folder.parent / "include").exists()
    assert [path.name for path in kept.iterdir()] == ["wheel-16"]
    assert make_reachable(found, stranger, kept) == copy, "once"
    installed = Binaries(found.folder, 16, from_wheel=False)
    assert make_reachable(installed, stranger, kept) == installed
