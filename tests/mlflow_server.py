"""A real MLflow server on SQLite, to start, kill and start again.

It is 850 MB with what it needs, so it has an environment of its own: `.ci/install-test-programs` makes it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from tests.acceptance.command_line import ROOT, wait_until

PYTHON = Path(os.environ.get("HPOTOOL_TEST_MLFLOW") or ROOT / ".venv-mlflow") / "bin" / "python"


class MlflowServer:
    """A server at ``address``, whose runs outlive its processes."""

    def __init__(self, folder: Path) -> None:
        assert PYTHON.exists(), "an MLflow server is missing: .ci/install-test-programs"
        self._folder = folder
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it; it answers when this returns. Not by ``mlflow server``, which starts seven more processes."""
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [PYTHON, "-m", "uvicorn", "mlflow.server.fastapi_app:app", "--port", str(self._port)],
                env={
                    **os.environ,
                    "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{self._folder}/mlflow.db",
                    "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
                    "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(self._folder / "artifacts"),
                    "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
                    "MLFLOW_DISABLE_TELEMETRY": "true",
                },
                cwd=self._folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        wait_until(self._answers, "the MLflow server answers", 180)

    def kill(self) -> None:
        """Kill it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "server.log").read_text()[-2000:]
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
