"""The installed ``hpotool``, run as a person or a script runs it: in a process of its own, on a real database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

HPOTOOL = Path(sys.executable).with_name("hpotool")
ROOT = Path(__file__).parents[2]
PATIENCE_S = 200.0  # how long anything may take; a condition that holds is noticed at once


@dataclass(frozen=True)
class CommandLine:
    """``hpotool`` on one database, from one folder.

    Attributes:
        url: the database, handed over in HPOTOOL_STORAGE as a person would; ``None`` leaves it unset.
        folder: where commands run. The examples are importable from the repository.
    """

    url: str | None
    folder: Path = ROOT
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, *arguments: str, code: int | None = 0, stdout: int | IO[str] = subprocess.PIPE
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; its exit code must be ``code``, whatever it is when that is ``None``."""
        done = subprocess.run(
            [HPOTOOL, *arguments],
            cwd=self.folder,
            env=self._environment(),
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE_S,
        )
        assert code in (None, done.returncode), f"{arguments} left with {done.returncode}:\n{done.stderr}"
        return done

    def json(self, *arguments: str) -> Any:
        """Run a command and read its answer; it must be strict JSON, which knows no NaN."""
        return json.loads(self.run(*arguments, "--format", "json").stdout, parse_constant=_refuse)

    @contextmanager
    def start(self, *arguments: str, log: Path) -> Iterator[subprocess.Popen[str]]:
        """Run a command beside the test, its output in ``log``; it is killed at the end of the block."""
        with log.open("w") as file:
            process = subprocess.Popen(
                [HPOTOOL, *arguments],
                cwd=self.folder,
                env=self._environment(),
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def _environment(self) -> dict[str, str]:
        environment = {**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1", **self.environment}
        # As in an activated environment: a study's `python` is the one with the packages.
        environment["PATH"] = f"{HPOTOOL.parent}{os.pathsep}{environment['PATH']}"
        environment.pop("HPOTOOL_STORAGE", None)
        return environment | ({"HPOTOOL_STORAGE": self.url} if self.url else {})


def wait_until(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Return what the condition answers as soon as that is true.

    Raises:
        AssertionError: it did not become true.
    """
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"waited {patience_s:g} s in vain until {what}")


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")
