from pathlib import Path

import pytest

from hpotool.errors import InputError
from hpotool.tracking.notify.addresses import VARIABLE, default_file, describe_address, read_addresses

MAIL, HOOK = "mailto://ann:secret@example.org", "json://hooks.example.org/token"


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_variable_holds_addresses_or_files_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = private(tmp_path / "addresses", f"# mine\n\n  {HOOK}\n")
    monkeypatch.setenv(VARIABLE, f"{MAIL}\n {file}")
    assert read_addresses() == [MAIL, HOOK]


def test_without_the_variable_a_file_beside_the_config_file_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPOTOOL_CONFIG", str(tmp_path / "hpotool" / "config.yaml"))
    assert read_addresses() == []
    private(default_file(), HOOK)
    assert read_addresses() == [HOOK]
    monkeypatch.setenv(VARIABLE, MAIL)
    assert read_addresses() == [MAIL]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_read_is_refused(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = private(tmp_path / "addresses", MAIL, mode)
    monkeypatch.setenv(VARIABLE, str(file))
    with pytest.raises(InputError, match="others can read it") as raised:
        read_addresses()
    assert raised.value.hint == f"chmod 600 {file}"


def test_a_file_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nothing"))
    with pytest.raises(InputError, match="cannot be read"):
        read_addresses()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (MAIL, "mailto://example.org"),
        (HOOK, "json://hooks.example.org"),
        ("slack://TOKENA/TOKENB/TOKENC", "slack://…"),
        ("tgram://123456:ABC/", "tgram://…"),
        ("mailto://[::1", "mailto://…"),
    ],
)
def test_an_address_is_shown_without_what_is_secret(address: str, shown: str) -> None:
    assert describe_address(address) == shown
