"""The files of a final training in MLflow: as artifacts of its run, and as a version of a registered model.

Both may be sent again: a file replaces itself, and a run has one version of a model.
"""

from __future__ import annotations

import logging
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hpotool.tracking.kept_files import CannotSendFilesError, KeptFiles
from hpotool.tracking.tracked_run import TrackedRun

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

FOLDER = "model"  # of a run's artifacts
LEFT_OUT = "hpotool.artifacts_left_out"
_logger = logging.getLogger(__name__)


class MlflowFiles:
    """Sends the files of final trainings: those of one up to ``most_bytes``; nothing where that is 0."""

    def __init__(self, client: MlflowClient, most_bytes: int, model: str | None) -> None:
        self._client = client
        self._most_bytes = most_bytes
        self._model = model

    def send(self, run_id: str, run: TrackedRun) -> None:
        """Send what the trial kept; a tag of its run says why, where that cannot be sent."""
        if run.kept is None or not self._most_bytes:
            return
        try:
            self._send_files(run_id, run.kept)
        except CannotSendFilesError as error:
            _logger.warning("the files of trial %s are left out: %s", run.number, error.message)
            self._client.set_tag(run_id, LEFT_OUT, error.message[:5000])
            return
        if LEFT_OUT in self._client.get_run(run_id).data.tags:  # another machine could not read them
            self._client.delete_tag(run_id, LEFT_OUT)
        if self._model is not None:
            self._register(self._model, run_id, run)

    def _send_files(self, run_id: str, kept: KeptFiles) -> None:
        with kept.at_hand(self._most_bytes) as files:
            for name, path in files:
                folder = PurePosixPath(FOLDER, name).parent.as_posix()
                self._client.log_artifact(run_id, str(path), folder)

    def _register(self, model: str, run_id: str, run: TrackedRun) -> None:
        self._find_or_create(model)
        known = self._client.search_model_versions(f"name = '{model}' and run_id = '{run_id}'")
        if known:
            return
        tags = {name: value for name, value in run.tags.items() if not name.startswith("user.")}
        source = f"{self._client.get_run(run_id).info.artifact_uri}/{FOLDER}"
        self._client.create_model_version(model, source, run_id, tags=tags, description=run.note or None)

    def _find_or_create(self, model: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
