"""Real ``hpotool worker`` processes on one study, killed, stopped and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hpotool.errors import DatabaseUnreachableError
from hpotool.storage.control import orders
from hpotool.storage.control.creation import create_or_resume
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.study.file.reader import read_study_file
from tests.faults.invariants import violations

PATIENCE_S = 120.0
INTERVAL_S = 0.4
GRACE_S = 1.6

# On one machine every dead process is provably gone at once. Workers that claim to be elsewhere have only their
# heartbeats, and a host of their own where TEST_HOST names one.
_ELSEWHERE = """
import os, socket, hpotool.worker.membership.identity as identity
identity.process_space = lambda: os.environ["TEST_PLACE"]
host = os.environ.get("TEST_HOST") or socket.gethostname()
socket.gethostname = lambda: host
from hpotool.cli.app import main
main()
"""


def wait_until(is_true: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for a condition; say what it was when it does not come."""
    deadline = time.monotonic() + patience_s
    while not is_true():
        assert time.monotonic() < deadline, f"waited {patience_s:.0f} s in vain for: {what}"
        time.sleep(0.02)


@dataclass(frozen=True)
class Kind:
    """A kind of study: what its file says beside name, budget and search space, and its workers' options."""

    settings: str = ""
    objective: str = "{python: study_code:objective}"
    metrics: str = "{value: minimize}"
    function: str = "tests.faults.objectives:objective"
    arguments: tuple[str, ...] = ()
    has_budget: bool = True
    space: str = "search_space: {x: {float: [0, 1]}}\n"


_COMMAND = "{command: [python, -m, tests.faults.command_objective, '{x}', '{trial}']}"
KINDS = {
    "random": Kind("sampler: {name: random, seed: 1}\n"),
    "command": Kind("sampler: {name: auto, seed: 1}\n", objective=_COMMAND),
    "constraints": Kind(
        "sampler: {name: tpe, seed: 1}\nconstraints: {load: '<= 0.9'}\n",
        function="tests.faults.objectives:with_load",
    ),
    "remote": Kind("sampler: {name: random, seed: 1}\n", arguments=("--checkpoints", "file://{folder}/remote")),
    "auto": Kind("sampler: {name: auto, seed: 1}\n"),
    "none": Kind(
        "sampler: {name: random, seed: 1}\n", objective="{python: study_code:objective, isolation: none}"
    ),
    "tiers": Kind(
        "sampler: {name: random, seed: 1}\ntiers: [{trials: 2, steps: 2}, {trials: 1, steps: 4}]\n",
        has_budget=False,
    ),
    "tpe": Kind("sampler: {name: tpe, seed: 1}\n"),
}


@dataclass
class Fleet:
    """Workers of one study in ``folder``. Whatever dies is not replaced unless ``keep_up`` is called."""

    url: str
    folder: Path
    budget: int
    interval_s: float = INTERVAL_S
    grace_s: float = GRACE_S
    is_spread_out: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    study: str = "s"
    pool: str | None = None  # which the workers serve, instead of the study alone
    objective: str | None = None
    settings: str | None = None
    options: Sequence[str] = ()
    kind: Kind = KINDS["random"]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    marker: str = field(default_factory=lambda: f"fleet-{uuid.uuid4().hex}")

    def __post_init__(self) -> None:
        kind = self.kind
        module, _, name = (self.objective or kind.function).partition(":")
        (self.folder / "study_code.py").write_text(f"from {module} import {name} as objective\n")
        text = (
            f"study: {self.study}\nobjective: {kind.objective}\nmetrics: {kind.metrics}\n"
            f"{kind.space}{self.settings or kind.settings}"
        )
        if kind.has_budget:
            text += f"budget: {{trials: {self.budget}}}\n"
        self.connection = Connection(DatabaseUrl.parse(self.url))
        create_or_resume(self.connection, read_study_file(text), "test")
        [(self.study_id,)] = self.connection.run(
            "SELECT study_id FROM studies WHERE study_name = %s", (self.study,)
        )

    # --- Workers

    def start_worker(
        self, url: str | None = None, more: Sequence[str] = (), **environment: str
    ) -> subprocess.Popen[bytes]:
        number = len(self.processes)
        arguments = [word.format(folder=self.folder) for word in (*self.kind.arguments, *more)]
        variables = {
            **os.environ,
            "HPOTOOL_STORAGE": url or self.url,
            "HPOTOOL_HOME": str(self.folder / "home"),
            "HPOTOOL_HEARTBEAT_INTERVAL_S": str(self.interval_s),
            "HPOTOOL_GRACE_PERIOD_S": str(self.grace_s),
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(Path(__file__).parents[2])]),
            "TEST_FLEET": self.marker,
            "TEST_FOLDER": str(self.folder),
            "TEST_PLACE": f"place-{number}",
            **self.environment,
            **environment,
        }
        serves = ["--study", self.study] if self.pool is None else ["--pool", self.pool]
        script = ["-c", _ELSEWHERE] if self.is_spread_out else ["-m", "hpotool"]
        with (self.folder / f"worker-{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *script, "worker", *serves, *self.options, *arguments],
                cwd=self.folder,
                env=variables,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def living(self) -> list[subprocess.Popen[bytes]]:
        return [process for process in self.processes if process.poll() is None]

    def keep_up(self, count: int) -> None:
        """Replace what has died, as a supervisor does."""
        for _ in range(count - len(self.living())):
            self.start_worker()

    def close(self) -> None:
        for process in self.living():
            process.send_signal(signal.SIGCONT)
            process.kill()
        for process in self.processes:
            process.wait()
        self.connection.close()
        sys.stdout.write("\n".join(self.logs()))  # shown if the test failed

    # --- The study

    def is_done(self) -> bool:
        try:
            return orders.count_budget(self.connection.run, self.study_id).finished >= self.budget
        except DatabaseUnreachableError:
            return False

    def states(self) -> dict[int, str]:
        rows = self.connection.run(
            "SELECT number, state::text FROM trials WHERE study_id = %s ORDER BY number", (self.study_id,)
        )
        return dict(rows)

    def check(self, *, is_value_safe: bool = True) -> None:
        """Wait until every worker has left, and hold the study to the guarantees."""
        wait_until(lambda: not self.living(), "all workers to leave")
        wait_until(lambda: not self._left_behind(), "the children of dead workers to be gone", 5.0)
        found = self._violations(is_value_safe=is_value_safe)
        assert not found, "\n".join([*found, *self.logs()])

    def _left_behind(self) -> bool:
        return any(line.startswith("G7") for line in self._violations(is_value_safe=False))

    def _violations(self, *, is_value_safe: bool) -> list[str]:
        return violations(self.connection, self.budget, self.folder, self.marker, is_value_safe=is_value_safe)

    def trials(self) -> dict[int, tuple[str, str | None, str]]:
        """State, outcome and reason of each trial, by its number."""
        rows = self.connection.run(
            "SELECT t.number, t.state::text, a.outcome, COALESCE(a.reason, '') FROM trials t "
            "LEFT JOIN hpotool.attempts a USING (trial_id) WHERE t.study_id = %s ORDER BY t.number",
            (self.study_id,),
        )
        return {number: (state, outcome, reason) for number, state, outcome, reason in rows}

    def logs(self) -> list[str]:
        return [f"--- {log.name}\n{log.read_text()[-3000:]}" for log in sorted(self.folder.glob("worker-*.log"))]
