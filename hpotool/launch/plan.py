"""What a launch would run: programs of the system with what they read, to be shown or carried out.

A secret is only ever in what a program reads, never in its arguments; shown, it is masked.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hpotool.errors import EXIT_FAILED, HpotoolError, InputError
from hpotool.study.wording import format_limit

PATIENCE_S = 60.0
_SLURM = "run this where jobs are submitted from: a login node with Slurm's programs"
_INSTALL = {
    "ssh": "install an OpenSSH client, like: apt install openssh-client",
    **dict.fromkeys(("sbatch", "scontrol", "squeue", "scancel"), _SLURM),
    "kubectl": "install kubectl, and check it with: kubectl auth can-i create jobs",
}


class ProgramError(HpotoolError):
    """A program of the system failed. ``code`` is its exit code, None where it did not end in time."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, hint: str | None, code: int | None) -> None:
        super().__init__(message, hint)
        self.code = code


@dataclass(frozen=True)
class Step:
    """One program to run.

    Attributes:
        why: what it does, for people.
        reads: what it reads from its standard input.
        shown: the same for people, without what is secret or no text; None: as it is.
    """

    why: str
    argv: tuple[str, ...]
    reads: bytes = b""
    shown: str | None = None

    def as_text(self) -> str:
        """The step as a shell would take it."""
        line = shlex.join(self.argv)
        text = self.reads.decode() if self.shown is None else self.shown
        if not text:
            return f"# {self.why}\n{line}\n"
        end = "EOF"
        while f"\n{end}\n" in f"\n{text.rstrip()}\n":
            end += "_"
        return f"# {self.why}\n{line} <<'{end}'\n{text.rstrip()}\n{end}\n"


Runner = Callable[[Step], str]


def run_step(step: Step, patience_s: float = PATIENCE_S) -> str:
    """Run the program; what it wrote to its standard output.

    Raises:
        ProgramError: it failed, or did not end in time.
        InputError: it is not installed.
    """
    name = step.argv[0]
    try:
        done = subprocess.run(list(step.argv), input=step.reads, capture_output=True, timeout=patience_s)
    except FileNotFoundError:
        raise InputError(f"there is no {name} on this machine", _INSTALL.get(name, f"install {name}")) from None
    except subprocess.TimeoutExpired:
        raise ProgramError(
            f"{step.why}: {name} did not end within {format_limit(patience_s)}", None, None
        ) from None
    if done.returncode:
        raise ProgramError(f"{step.why}: {_reason(done, name)}", None, done.returncode)
    return done.stdout.decode(errors="replace")


def show_plan(steps: Sequence[Step]) -> Iterator[str]:
    """The steps as text, in their order."""
    for step in steps:
        yield step.as_text()


def _reason(done: subprocess.CompletedProcess[bytes], name: str) -> str:
    """The last thing that the program complained about."""
    said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
    return said[-1].strip() if said else f"{name} ended with exit code {done.returncode}"
