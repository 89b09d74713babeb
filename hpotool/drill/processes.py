"""The workers that a drill starts on this machine, kept up as a supervisor would, and what they leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from hpotool.drill.proxy import CuttableProxy, connector, through
from hpotool.errors import EXIT_DONE, EXIT_TOLD_TO_LEAVE, HpotoolError
from hpotool.launch.local import end_with_parent
from hpotool.storage.database.url import DatabaseUrl

MARKER = "HPOTOOL_DRILL"  # in the environment of every process that a drill starts
_ALLOWED = "hpotool.drill.objective:objective"
_MOST_STARTS_IN_VAIN = 5
_ENDS_OF_STRUCK = (EXIT_TOLD_TO_LEAVE, -signal.SIGKILL, -signal.SIGTERM)


@dataclass
class Place:
    """One worker, whichever process it is at the moment. ``proxy`` is its way to the database."""

    number: int
    proxy: CuttableProxy | None
    process: subprocess.Popen[bytes] | None = None
    was_struck: bool = False  # this process was killed or asked to leave
    is_held: bool = False  # it is stopped or cut off at the moment

    @property
    def name(self) -> str:
        """As a person calls it."""
        return f"worker {self.number}"

    @property
    def is_alive(self) -> bool:
        """Whether it has a process that runs."""
        return self.process is not None and self.process.poll() is None


@dataclass
class Crew:
    """The workers of a study that a drill starts; ``folder`` is their home, and holds their logs.

    ``is_plain``: workers of plain Optuna in their stead.
    """

    url: DatabaseUrl
    study: str
    folder: Path
    count: int
    variables: Mapping[str, str]
    budget: int
    is_plain: bool = False
    places: list[Place] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    starts_in_vain: int = 0

    def __post_init__(self) -> None:
        connect = connector(self.url)
        for number in range(1, self.count + 1):
            self.places.append(Place(number, CuttableProxy(connect) if connect else None))

    @property
    def marker(self) -> str:
        """What the environment of each of its processes bears, and no other's."""
        return f"crew of {self.study}"

    @property
    def can_be_cut(self) -> bool:
        """Whether the workers reach the database through proxies of the drill."""
        return all(place.proxy is not None for place in self.places)

    def keep_up(self) -> None:
        """Start what does not run.

        Raises:
            HpotoolError: workers end again and again as soon as they are started.
        """
        for place in self.places:
            if not place.is_alive:
                self._note_end(place)
                self._start(place)

    def note_ends(self) -> bool:
        """Take note of workers that have ended, without starting others; whether all have."""
        for place in self.places:
            if not place.is_alive:
                self._note_end(place)
        return not any(place.is_alive for place in self.places)

    def sweep(self, patience_s: float) -> None:
        """Run one worker more, as the next one on this machine: it sends what killed ones left on the disk."""
        if self.is_plain or not self.places:
            return
        place = Place(0, None)
        self._start(place)
        assert place.process is not None
        with suppress(subprocess.TimeoutExpired):
            place.process.wait(patience_s)
        if place.is_alive:
            place.was_struck = True
            place.process.kill()
            place.process.wait()
        self._note_end(place)

    def close(self) -> None:
        """End every process, however it fares, and every proxy."""
        for place in self.places:
            if place.process is not None and place.is_alive:
                place.process.send_signal(signal.SIGCONT)
                place.process.kill()
                place.process.wait()
            if place.proxy is not None:
                place.proxy.close()

    def unsent(self) -> list[str]:
        """Files of results that no worker has sent."""
        spool = self.folder / "spool"
        return [f"{path.name} is still on the disk" for path in sorted(spool.rglob("*")) if path.is_file()]

    def returned(self) -> list[tuple[int, float]]:
        """Number and value of each result, as the objective noted it."""
        return read_returned(self.folder / "returned")

    def attempts(self) -> list[int]:
        """The processes of attempts that run."""
        running = [int(path.name) for path in (self.folder / "running").glob("*")]
        return [pid for pid in running if _bears(pid, self.marker)]

    def log(self, place: Place) -> Path:
        """The log of a place, of all its processes one after the other."""
        return self.folder / f"worker-{place.number}.log"

    def _start(self, place: Place) -> None:
        url = through(self.url, place.proxy.port) if place.proxy else self.url
        with self.log(place).open("ab") as log:
            place.process = subprocess.Popen(
                self._command(),
                cwd=self.folder,
                env={**os.environ, **self.variables, MARKER: self.marker, "HPOTOOL_STORAGE": url.libpq},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        place.was_struck = False

    def _command(self) -> list[str]:
        if self.is_plain:
            return [sys.executable, "-m", "hpotool.drill.plain_optuna", self.study, str(self.budget)]
        options = ["--study", self.study, "--gpu", "none", "--no-breaker", f"--only-objective={_ALLOWED}"]
        return [sys.executable, "-m", "hpotool", "worker", *options]

    def _note_end(self, place: Place) -> None:
        process, place.process = place.process, None
        if process is None:
            return
        code = process.wait()
        is_in_order = code == EXIT_DONE or (place.was_struck and code in _ENDS_OF_STRUCK)
        self.starts_in_vain = 0 if is_in_order else self.starts_in_vain + 1
        if is_in_order:
            return
        last = _last_line(self.log(place))
        self.endings.append(f"{place.name} {_how(code, last)}")
        if self.starts_in_vain >= _MOST_STARTS_IN_VAIN and not self.is_plain:
            raise HpotoolError(f"the drill's workers do not stay up; the last line of one is: {last}")


def read_returned(file: Path) -> list[tuple[int, float]]:
    """Number and value of each result, as objectives noted it before they returned; none without a file."""
    lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return [(int(number), float(value)) for number, value in lines]


def left_behind(marker: str) -> list[str]:
    """Processes that still run with the marker as a value of their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and marker in process.environ().values():
                found.append(f"process {process.pid} is left: {' '.join(process.cmdline())[:120]}")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def _bears(pid: int, marker: str) -> bool:
    try:
        return psutil.Process(pid).environ().get(MARKER) == marker
    except psutil.Error:
        return False


def _how(code: int, last_line: str) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}, and not by the drill"
    return f"ended with exit code {code}: {last_line}"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")[:200]
