"""``hpotool`` in the test's own process: many commands, where a process for each would take a minute."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

import pytest

from hpotool.cli.app import main


@dataclass(frozen=True)
class Done:
    """What a command wrote, and its exit code."""

    stdout: str
    stderr: str
    code: int


@dataclass(frozen=True)
class Commands:
    """Runs command lines as a shell would split them."""

    capture: pytest.CaptureFixture[str]

    def __call__(self, line: str, code: int = 0) -> Done:
        self.capture.readouterr()
        with pytest.raises(SystemExit) as left:
            main(shlex.split(line))
        out, err = self.capture.readouterr()
        assert left.value.code == code, f"{line}: {left.value.code}\n{err}"
        return Done(out, err, code)

    def json(self, line: str) -> Any:
        return json.loads(self(f"{line} --format json").stdout)
