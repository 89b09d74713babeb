import errno
from pathlib import Path

import pytest

from hpotool.errors import InputError
from hpotool.settings import configured_storage, writable_home_folder


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HPOTOOL_STORAGE", raising=False)
    monkeypatch.setenv("HPOTOOL_CONFIG", str(tmp_path / "config.yaml"))
    (tmp_path / "config.yaml").write_text("storage: postgresql://from-file/db\n")


def test_the_option_wins_over_the_environment_and_the_environment_over_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert configured_storage() == "postgresql://from-file/db"
    monkeypatch.setenv("HPOTOOL_STORAGE", "postgresql://from-environment/db")
    assert configured_storage() == "postgresql://from-environment/db"
    assert configured_storage("postgresql://from-option/db") == "postgresql://from-option/db"


@pytest.mark.parametrize("content", ["- a list", "stroage: typo", "storage: [", "storage: 5432", "\x00"])
def test_a_config_file_that_cannot_be_used_is_an_input_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(InputError):
        configured_storage()


def test_a_named_config_file_that_does_not_exist_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").unlink()
    with pytest.raises(InputError, match="does not exist"):
        configured_storage()


@pytest.mark.parametrize("path", ["a/b", "."])
def test_the_home_folder_is_made_where_it_is_not_there(
    path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HPOTOOL_HOME", str(tmp_path / path))
    assert writable_home_folder().is_dir()


@pytest.mark.parametrize("path", ["config.yaml", "config.yaml/below", "/proc/nothing/here"])
def test_a_home_folder_that_cannot_be_written_is_refused(
    path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HPOTOOL_HOME", str(tmp_path / path))
    with pytest.raises(InputError, match="hpotool's folder on this machine cannot be written to"):
        writable_home_folder()


def test_a_full_disk_is_no_reason_to_refuse_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HPOTOOL_HOME", str(tmp_path))

    def is_full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", is_full)
    assert writable_home_folder() == tmp_path
