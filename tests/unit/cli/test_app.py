import subprocess
import sys

import pytest

from hpotool.cli.app import main


def leave(*words: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.mark.parametrize(
    "words",
    [["creat-study"], ["studies", "--formt", "json"], ["studies", "--format", "xml"], ["studies", "a", "b"], []],
)
def test_what_cannot_be_understood_is_one_sentence_a_hint_and_code_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert leave(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == "" or not words
    assert "Traceback" not in captured.err
    if words:
        first, *rest = captured.err.splitlines()
        assert first.startswith("error: ")
        assert rest[-1].startswith("hint: hpotool")


def test_the_version_is_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("--version") == 0
    assert capsys.readouterr().out.startswith("hpotool ")


def test_a_database_that_does_not_answer_is_code_4_without_its_password(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert leave("studies", "--storage", "postgresql://user:secret@127.0.0.1:1/db") == 4
    captured = capsys.readouterr()
    assert "secret" not in captured.err + captured.out
    assert captured.err.startswith("error: the database postgresql://user:***@127.0.0.1:1/db does not answer")


def test_debug_shows_the_traceback() -> None:
    from hpotool.errors import DatabaseUnreachableError

    with pytest.raises(DatabaseUnreachableError):
        main(["studies", "--debug", "--storage", "postgresql://user:secret@127.0.0.1:1/db"])


def test_help_waits_for_nothing_that_only_some_command_needs() -> None:
    code = "import sys, hpotool.cli.app; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {
        "optuna",
        "numpy",
        "sqlalchemy",
        "psycopg2",
        "yaml",
        "pydantic",
        "psutil",
        "torch",
        "optuna_dashboard",
    }
    assert heavy.isdisjoint(loaded.split())


@pytest.mark.parametrize("line", ["schema >&-", "schema 2>&-", "check nowhere.yaml 2>&- || test $? = 3"])
def test_a_closed_stream_changes_no_exit_code(line: str) -> None:
    import subprocess
    import sys

    command = f"{sys.executable} -m hpotool {line}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_letters_that_an_encoding_lacks_are_written_with_their_codes() -> None:
    import os
    import subprocess
    import sys

    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "hpotool", "check", "größe.yaml"], capture_output=True, env=environment, check=False
    )
    assert done.returncode == 3
    assert b"gr\\xf6\\xdfe.yaml does not exist" in done.stderr
