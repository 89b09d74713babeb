"""A real terminal for tests: tmux, of a size that the test chooses."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Terminal:
    """A tmux session of its own server, in which one command runs."""

    server: str

    def screen(self) -> str:
        """What is on the screen, each line without the blanks at its end."""
        return self._tmux("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(["tmux", "-L", self.server, *words], capture_output=True, text=True, check=True)
        return done.stdout


@contextmanager
def open_terminal(
    words: Sequence[str | Path], folder: Path, environment: Mapping[str, str], *, width: int, height: int
) -> Iterator[Terminal]:
    """Run a command in a terminal; when it has ended, its exit code stands there as ``ended with 0``."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed: .ci/install-test-programs installs it")
    terminal = Terminal(f"hpotool-test-{uuid.uuid4().hex[:8]}")
    named = [f"{name}={value}" for name, value in environment.items()]
    command = shlex.join(["env", *named, *map(str, words)])
    command = f'trap : INT; {command}; echo "ended with $?"; read -r _'  # Ctrl-C is for the command alone
    size = ["-x", str(width), "-y", str(height)]
    subprocess.run(
        ["tmux", "-L", terminal.server, "-f", "/dev/null", "new-session", "-d", *size, "sh", "-c", command],
        cwd=folder,
        check=True,
    )
    try:
        terminal._tmux("set-option", "-g", "status", "off")
        terminal.resize(width, height)
        yield terminal
    finally:
        subprocess.run(["tmux", "-L", terminal.server, "kill-server"], check=False)
