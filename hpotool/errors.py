"""All errors shown to users: a message, a hint with the next command, and an exit code.

Code below the command line raises these errors; only ``hpotool.cli.app`` prints them.
A message never contains a password: code that puts a URL into a message redacts it first.
"""

from __future__ import annotations

import copyreg
import os
import shlex
import signal
from collections.abc import Sequence
from dataclasses import dataclass

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_WRONG_INPUT = 2
EXIT_NOT_FOUND = 3
EXIT_DATABASE_UNREACHABLE = 4
EXIT_TOLD_TO_LEAVE = 75  # ended by a signal with work left: start it again (EX_TEMPFAIL of sysexits.h)
EXIT_INTERRUPTED = 130


def exit_code_of_signal(number: int) -> int:
    """The exit code of a worker that a signal ended before the study was done."""
    return EXIT_INTERRUPTED if number == signal.SIGINT else EXIT_TOLD_TO_LEAVE


# Options that are proposed with a value that somebody else wrote, and that may look like an option.
_TAKE_VALUE = frozenset(
    {"--address", "--as", "--data", "--example", "--experiment", "--from-study", "--lift", "--metric", "--pool",
     "--seeds", "--set", "--study", "--to", "--trial", "--where"}
)  # fmt: skip


def paste(*words: str) -> str:
    """The command ``hpotool WORDS``, to be pasted into bash, zsh or ksh, whatever texts are among the words.

    Arguments that somebody else wrote stand behind ``--``, which is left out where none of them needs it.
    """
    said: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            values = list(rest)
            said += ["--", *values] if any(value.startswith("-") for value in values) else values
        elif word in _TAKE_VALUE:
            value = next(rest)
            said += [f"{word}={value}"] if value.startswith("-") else [word, value]
        else:
            said.append(word)
    return " ".join(quote_word(word) for word in ["hpotool", *said])


def quote_word(word: str) -> str:
    """One word for a shell. What a terminal cannot show, or would obey, is written with its codes."""
    if not word.isprintable():
        shown = "".join(
            rf"\{character}" if character in r"\'" else character if character.isprintable() else _codes(character)
            for character in word
        )
        return f"$'{shown}'"
    return f"'{word}'" if word.startswith("=") and shlex.quote(word) == word else shlex.quote(word)  # zsh: a path


def quote_path(path: os.PathLike[str] | str) -> str:
    """A path for a shell, which no command takes for an option."""
    text = os.fspath(path)
    return quote_word(f"./{text}" if text.startswith("-") else text)


def _codes(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


class HpotoolError(Exception):
    """An error with a message for people, an optional hint, and the exit code of the command that it ends."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if hint:  # shown below the message in the traceback of a notebook or a script (Python 3.11)
            self.__notes__ = [f"hint: {hint}"]

    def __reduce__(self) -> tuple[object, ...]:
        """For pickle, which would otherwise call the constructor of each subclass with only the message."""
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]


class InputError(HpotoolError):
    """The user's input, typed or in a file, is invalid. The hint says how to correct it."""

    exit_code = EXIT_WRONG_INPUT

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, hint)


class NotFoundError(HpotoolError):
    """The requested study, trial or file does not exist. The hint says what does, or how to find it."""

    exit_code = EXIT_NOT_FOUND

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, hint)


class DatabaseUnreachableError(HpotoolError):
    """The database does not answer, refuses the login, or cannot be started."""

    exit_code = EXIT_DATABASE_UNREACHABLE


class CheckpointStoreError(HpotoolError):
    """The checkpoint store does not answer, or refuses a call; the exception of its library is the cause."""


@dataclass(frozen=True)
class Problem:
    """One mistake in a file: its place, what is wrong, and a correction. Lines and columns count from 1."""

    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return f"{where}: {self.message}" if where else self.message


class StudyFileError(InputError):
    """A study file with mistakes: all of them, in the order of the file."""

    def __init__(self, problems: Sequence[Problem], hint: str | None = None) -> None:
        said = "\n".join(str(problem) for problem in problems)
        super().__init__(said, hint or "correct this, and run the command again")
        self.problems = tuple(problems)
