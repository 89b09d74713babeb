from pathlib import Path

import pytest

from hpotool.errors import InputError
from hpotool.settings import configured_storage


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
