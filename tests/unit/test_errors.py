"""An error keeps its message, its hint and its exit code wherever it is sent."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.cli.app import command_line
from hpotool.errors import (
    HpotoolError,
    InputError,
    NotFoundError,
    Problem,
    StudyFileError,
    paste,
    quote_path,
    quote_word,
)
from hpotool.storage.database.connection import RefusedStatementError, TransientDatabaseError

ERRORS = [
    HpotoolError("it failed"),
    InputError("the name is wrong", "write another"),
    NotFoundError("there is no trial 3", "hpotool trials"),
    StudyFileError([Problem("unknown key", "a.yaml", 3, 1), Problem("wrong type", "a.yaml", 4, 1)]),
    RefusedStatementError("refused", "grant it", pgcode="42501"),
    TransientDatabaseError("away", "wait", maybe_applied=True),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_is_the_same_after_a_journey_between_processes(error: HpotoolError) -> None:
    arrived = pickle.loads(pickle.dumps(error))
    assert (type(arrived), str(arrived), vars(arrived)) == (type(error), str(error), vars(error))


ODD = [
    "plain-1.2", "-x", "--study", "--yes", "--debug", "--", "-", "~", "~root", "=ls", "a b", "'", '"', "$HOME",
    "`touch x`", "$(touch x)", "a\nb", "a\n", "\t", "\x1b[31m", "\\n", "!!", "#x", "*", "{a,b}", "x;y", "größe",
    "試験", "\u202e", "\u00a0", "-é\n'", "12", "a=b", "trials", "",
]  # fmt: skip
SHELLS = [shell for shell in ("bash", "zsh", "ksh") if shutil.which(shell)]
# Each with what the command's parser must make of it.
PROPOSED = {
    ("status", "--study", "NAME"): ("study", "NAME"),
    ("trials", "--study", "NAME", "--failed"): ("study", "NAME"),
    ("show", "--study", "NAME", "3"): ("study", "NAME"),
    ("enqueue", "--study", "new", "--from-study", "NAME", "--top", "20"): ("from_study", "NAME"),
    ("enqueue", "--study", "NAME", "--", "lr=-1", "-lr=3"): ("points", ["lr=-1", "-lr=3"]),
    ("delete", "--yes", "--", "NAME"): ("study", "NAME"),
    ("rename", "--", "NAME", "NEW_NAME"): ("study", "NAME"),
    ("clone", "--", "NAME", "NAME-2"): ("name", "NAME-2"),
    ("check", "--", "NAME"): ("file", Path("NAME")),
    ("compare", "--metric", "NAME", "--", "NAME", "other"): ("studies", ["NAME", "other"]),
    ("retry", "--study", "NAME", "--where", "host=NAME"): ("where", ["host=NAME"]),
}


def words_in(shell: str, lines: list[str]) -> list[list[str]]:
    """What a shell makes of each line: the program's arguments."""
    script = "hpotool() { printf '%s\\0' \"$@\" 'end of line'; }\n" + "\n".join(lines)
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run([shell, "-c", script], capture_output=True, check=True, env=environment)
    assert done.stderr == b""
    parts = done.stdout.decode("utf-8", "surrogateescape").split("end of line\0")
    return [part.split("\0")[:-1] for part in parts[:-1]]


def parse(words: list[str]) -> dict[str, Any]:
    command = command_line().commands[words[0]]
    context = command.make_context(words[0], words[1:])
    return dict(context.params)


def filled(value: Any, name: str) -> Any:
    if isinstance(value, (list, tuple)):
        return [filled(each, name) for each in value]
    return type(value)(str(value).replace("NAME", name)) if value != "NEW_NAME" else value


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("proposed", PROPOSED, ids=" ".join)
def test_a_pasted_command_means_what_was_proposed_whatever_the_name(proposed: tuple[str, ...], shell: str) -> None:
    lines = [paste(*filled(proposed, name)) for name in ODD]
    parameter, expected = PROPOSED[proposed]
    for name, words in zip(ODD, words_in(shell, lines), strict=True):
        found = parse(words)[parameter]
        assert (list(found) if isinstance(expected, list) else found) == filled(expected, name), words


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8), min_size=20)
)
def test_a_quoted_word_is_one_word_and_shows_itself_on_one_line(texts: list[str]) -> None:
    quoted = [quote_word(text) for text in texts]
    assert words_in("bash", [f"hpotool {word}" for word in quoted]) == [[text] for text in texts]
    assert all(word.isprintable() for word in quoted)


def test_a_path_is_no_option_of_any_program(tmp_path: Path) -> None:
    for name in ("-l", "--help", "a b", "-\n", os.fsdecode(b"-\xff")):
        (tmp_path / name).write_text("")
        done = subprocess.run(
            ["bash", "-c", f"ls {quote_path(name)}"], cwd=tmp_path, capture_output=True, check=True
        )
        assert done.stdout.strip() != b""
