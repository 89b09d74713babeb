"""Every error a person can meet: one sentence, a hint with the next command, and an exit code.

Code below the command line raises these; only ``hpotool.cli.app`` turns them into text.
A message never holds a password: whoever puts a URL into one redacts it first.
"""

from __future__ import annotations

import shlex
import signal
from collections.abc import Sequence
from dataclasses import dataclass

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_WRONG_INPUT = 2
EXIT_NOT_FOUND = 3
EXIT_DATABASE_UNREACHABLE = 4
EXIT_TOLD_TO_LEAVE = 75  # by a signal, with work left: start it again (EX_TEMPFAIL of sysexits.h)
EXIT_INTERRUPTED = 130


def exit_code_of_signal(number: int) -> int:
    """With which a worker leaves that a signal ended while there was work left."""
    return EXIT_INTERRUPTED if number == signal.SIGINT else EXIT_TOLD_TO_LEAVE


def paste(*words: str) -> str:
    """The command ``hpotool WORDS`` as it can be pasted into a shell, whatever the words hold."""
    return shlex.join(["hpotool", *words])


class HpotoolError(Exception):
    """An error with a sentence for a person, an optional hint and the exit code of the command it ends."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if hint:  # what a traceback shows below the message, in a notebook or a script (Python 3.11)
            self.__notes__ = [f"hint: {hint}"]


class InputError(HpotoolError):
    """What was typed or written in a file cannot be used as it is."""

    exit_code = EXIT_WRONG_INPUT


class NotFoundError(HpotoolError):
    """The study, trial or file that was asked for does not exist."""

    exit_code = EXIT_NOT_FOUND


class DatabaseUnreachableError(HpotoolError):
    """The database does not answer, refuses the login, or cannot be started."""

    exit_code = EXIT_DATABASE_UNREACHABLE


class CheckpointStoreError(HpotoolError):
    """The location of the checkpoints does not answer, or refuses; whatever its libraries raised is the cause."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a file: where, what, and what would be right. Lines and columns count from 1."""

    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return f"{where}: {self.message}" if where else self.message


class StudyFileError(InputError):
    """A study file with problems: all of them, in the order in which they stand in the file."""

    def __init__(self, problems: Sequence[Problem], hint: str | None = None) -> None:
        said = "\n".join(str(problem) for problem in problems)
        super().__init__(said, hint or "put that right there, and run the same command again")
        self.problems = tuple(problems)
