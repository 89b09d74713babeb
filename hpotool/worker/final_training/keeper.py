"""What a final training leaves behind: its artifacts in their place, and what it was made of beside them."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optuna import Trial

from hpotool.errors import CheckpointStoreError
from hpotool.origins.environment import read_environment
from hpotool.origins.files import fold, walk_files
from hpotool.origins.hash_cache import hash_content
from hpotool.storage.control.finals import ARTIFACTS
from hpotool.study.wording import count_of
from hpotool.worker.final_training.artifact_place import ArtifactPlace
from hpotool.worker.log import log_event

RECIPE = "hpotool.json"  # beside the artifacts: what makes them again


class FinalKeeper:
    """Keeps what one final training leaves.

    ``made_of`` is what it takes to repeat it: command, code, data, settings. ``folder`` is where the attempt puts
    its artifacts (``HPOTOOL_ARTIFACTS``) until it has returned: a place never holds those of half a training.
    """

    def __init__(self, place: ArtifactPlace, made_of: Mapping[str, Any]) -> None:
        """The folder is there, and empty; `close` removes it."""
        self._place = place
        self._made_of = made_of
        self._scratch = Path(tempfile.mkdtemp(prefix="hpotool-artifacts-"))
        self._is_needed = False
        self.folder = self._scratch / "artifacts"
        self.folder.mkdir()

    def keep(self, trial: Trial, values: Mapping[str, float]) -> None:
        """Put the artifacts into their place, and note them with the trial before it is told.

        Where that place cannot be written any more they stay in the folder, and the note and the log say so.
        """
        files = list_files(self.folder)
        recipe = {**self._made_of, "environment": read_environment(), "values": dict(values), "files": files}
        (self.folder / RECIPE).write_text(json.dumps(recipe, indent=2, default=str) + "\n")
        where = self._place.name
        try:
            self._place.put(self.folder)
        except (OSError, CheckpointStoreError) as error:
            where, self._is_needed = str(self.folder), True
            log_event("artifacts", f"{self._place.name} cannot be written: {error}", logging.ERROR)
        noted: Any = {"place": where, "files": files}
        trial.storage.set_trial_system_attr(trial._trial_id, ARTIFACTS, noted)
        log_event("artifacts", f"kept {count_of(len(files), 'artifact')} in {where}", place=where)

    def close(self) -> None:
        """Remove the folder, unless the only copy lies there."""
        if not self._is_needed:
            shutil.rmtree(self._scratch, ignore_errors=True)


def list_files(folder: Path) -> list[dict[str, Any]]:
    """The files below a folder: name, bytes, SHA-256."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / RECIPE)
    return [
        {
            "name": path.relative_to(folder).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": hash_content(path),
        }
        for path in paths
    ]


def hash_data(path: Path) -> str:
    """The SHA-256 of a file; of a folder, of the names and contents of all that is in it.

    Raises:
        OSError: it cannot be read.
    """
    hashes = {file.name: hash_content(file.path) for file in walk_files(path)}
    return fold(hashes) if path.is_dir() else hashes[path.name]
