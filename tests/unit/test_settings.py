import errno
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpotool.errors import InputError
from hpotool.settings import configured_storage, read_pulse, study_folder_name, writable_home_folder
from tests.examples import examples


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


@pytest.mark.parametrize(
    "content",
    [
        "- a list",
        "stroage: typo",
        "storage: [",
        "storage: 5432",
        "\x00",
        "storage: 2026-13-45",
        "storage: !!int x",
        "[" * 500,
        "? [1]\n: 2",
        "storage: {a: 1}",
        "1: 2",
        "storage: !!python/name:os.system",
    ],
)
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


NUMBERS = st.one_of(
    st.floats().map(str),
    st.integers().map(str),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6),
    st.sampled_from(["", "10", "5s", "1e400", "-1", "0", "nan", "inf", "1_0", " 7 ", "1e-320", "1e308"]),
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(60))
@given(NUMBERS, NUMBERS)
def test_any_pulse_in_the_environment_is_one_that_works_or_an_input_error(interval: str, grace: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPOTOOL_HEARTBEAT_INTERVAL_S", interval)
        patch.setenv("HPOTOOL_GRACE_PERIOD_S", grace)
        try:
            pulse = read_pulse()
        except InputError as refused:
            said = f"{refused.message} {refused.hint}"
        else:
            assert pulse.interval.total_seconds() > 0
            assert pulse.grace >= 2 * pulse.interval
            return
        assert "HPOTOOL_" in said


@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
)
def test_the_folder_of_a_study_is_its_own_and_below_its_parent(one: str, other: str) -> None:
    names = [study_folder_name(study) for study in (one, other)]
    for name in names:
        assert "/" not in name
        assert "\0" not in name
        assert name not in ("", ".", "..")
        assert (Path("/a/b") / name).resolve().parent == Path("/a/b")
    assert (names[0] == names[1]) == (one == other)


@pytest.mark.parametrize("study", [".", "..", "...", "../x", "a/b", "~", "-x", "a b", "%2E", "CON"])
def test_a_study_named_like_a_place_gets_a_folder_like_any_other(tmp_path: Path, study: str) -> None:
    folder = tmp_path / study_folder_name(study)
    folder.mkdir()
    assert list(tmp_path.iterdir()).count(folder) == 1
