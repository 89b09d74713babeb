"""Real workers of a pool on studies of their own, each on a GPU that only its label has."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpotool.storage.control.creation import create_or_resume
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.study.file.reader import read_study_file

# What `hpotool worker --pool` does after it has chosen a GPU.
_WORKER = """
import os, sys
from datetime import timedelta
from hpotool.storage.database.url import DatabaseUrl
from hpotool.worker.gpu import Slot
from hpotool.worker.log import set_up_logging
from hpotool.worker.pool.start_pool import run_pool_worker
from hpotool.worker.serving.options import WorkerOptions
set_up_logging("text", "")
url = DatabaseUrl.parse(os.environ["HPOTOOL_STORAGE"])
sys.exit(run_pool_worker(url, sys.argv[1], WorkerOptions(Slot("gpu 0"), grace=timedelta(seconds=20))).exit_code)
"""


@dataclass
class PoolFleet:
    """Workers of the pool ``p`` in ``folder``."""

    url: str
    folder: Path
    interval_s: float = 0.4
    grace_s: float = 1.6
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    marker: str = field(default_factory=lambda: f"pool-{uuid.uuid4().hex}")

    def __post_init__(self) -> None:
        self.connection = Connection(DatabaseUrl.parse(self.url))

    def add(self, name: str, settings: str, function: str = "objective", isolation: str = "none") -> None:
        text = (
            f"study: {name}\nmetrics: {{value: minimize}}\nsearch_space: {{x: {{float: [0, 1]}}}}\n"
            f"objective: {{python: 'tests.faults.pool_objectives:{function}', isolation: {isolation}}}\n"
            f"sampler: {{name: random, seed: 1}}\npool: p\n{settings}"
        )
        create_or_resume(self.connection, read_study_file(text), "test")

    def start_worker(self) -> subprocess.Popen[bytes]:
        number = len(self.processes)
        variables = {
            **os.environ,
            "HPOTOOL_STORAGE": self.url,
            "HPOTOOL_HOME": str(self.folder / "home"),
            "HPOTOOL_HEARTBEAT_INTERVAL_S": str(self.interval_s),
            "HPOTOOL_GRACE_PERIOD_S": str(self.grace_s),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "TEST_FLEET": self.marker,
            "TEST_FOLDER": str(self.folder),
        }
        with (self.folder / f"worker-{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", _WORKER, "p"], cwd=self.folder, env=variables,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def living(self) -> list[subprocess.Popen[bytes]]:
        return [process for process in self.processes if process.poll() is None]

    def keep_up(self, count: int) -> None:
        for _ in range(count - len(self.living())):
            self.start_worker()

    def ask(self, statement: str, *values: Any) -> Any:
        """The first column of the first row."""
        return self.connection.run(statement, values)[0][0]

    def finished(self, study: str) -> int:
        return int(
            self.ask(
                "SELECT count(*) FROM trials JOIN studies USING (study_id) "
                "WHERE study_name = %s AND state = 'COMPLETE'",
                study,
            )
        )

    def log(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in sorted(self.folder.glob("worker-*.log")))

    def close(self) -> None:
        for process in self.living():
            process.kill()
        for process in self.processes:
            process.wait()
        self.connection.close()
