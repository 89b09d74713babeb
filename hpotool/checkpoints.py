"""Checkpoints that are complete or absent, for objectives and scripts; needs only the standard library.

    with hpotool.save_checkpoint(epoch) as folder:
        torch.save(state, folder / "state.pt")
    …
    newest = hpotool.latest_checkpoint()      # a folder, or None

They live below ``HPOTOOL_CHECKPOINT_DIR``, which all attempts of a trial share. Run by hand, where there is none,
what is saved is thrown away and there is never a latest one.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = re.compile(r"step-(\d+)")
_UNFINISHED = ".unfinished-"
_KEEP_BY_DEFAULT = 2


@contextmanager
def save_checkpoint(step: int) -> Iterator[Path]:
    """A folder to write files into; it becomes the checkpoint of ``step`` when the block ends without an error.

    Whoever is killed before that leaves the earlier checkpoints as they are. The last few are kept
    (``keep: {last: …}`` in the study file).
    """
    parent = _parent()
    if parent is None:
        with tempfile.TemporaryDirectory(prefix="hpotool-") as scratch:
            yield Path(scratch)
        return
    parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=parent))
    try:
        yield unfinished
        _sync(unfinished)
        final = parent / f"step-{step:09d}"
        if final.exists():  # an earlier attempt came as far
            shutil.rmtree(final)
        unfinished.rename(final)
        _sync_folder(parent)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    remove_old_checkpoints(parent, int(os.environ.get("HPOTOOL_KEEP_CHECKPOINTS", _KEEP_BY_DEFAULT)))


def latest_checkpoint() -> Path | None:
    """The folder of the newest checkpoint of this trial, by any of its attempts; None where there is none."""
    parent = _parent()
    found = checkpoints_in(parent) if parent is not None else []
    return found[-1] if found else None


def checkpoint_step(checkpoint: Path) -> int:
    """The step that the checkpoint was saved for."""
    match = _NAME.fullmatch(checkpoint.name)
    if match is None:
        raise ValueError(f"{checkpoint} is not a checkpoint")
    return int(match[1])


def checkpoints_in(folder: Path) -> list[Path]:
    """The complete checkpoints in ``folder``, oldest step first."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), key=checkpoint_step)


def remove_old_checkpoints(folder: Path, keep: int) -> None:
    """Leave the last ``keep`` checkpoints in ``folder``, and nothing that an earlier attempt did not finish."""
    for path in checkpoints_in(folder)[:-keep]:
        # Renamed first: a checkpoint that is half removed must not look like one.
        doomed = path.rename(path.with_name(f"{_UNFINISHED}{path.name}"))
        shutil.rmtree(doomed, ignore_errors=True)
    for path in folder.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)


def _parent() -> Path | None:
    folder = os.environ.get("HPOTOOL_CHECKPOINT_DIR")
    return Path(folder) if folder else None


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
