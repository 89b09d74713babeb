"""Checkpoints that are either complete or absent, for objectives and scripts; needs only the standard library.

    with hpotool.save_checkpoint(epoch) as folder:
        torch.save(state, folder / "state.pt")
    …
    newest = hpotool.latest_checkpoint()      # a folder, or None

They are stored below ``HPOTOOL_CHECKPOINT_DIR``, which all attempts of a trial share. If a script is run by hand,
that variable is not set: saved checkpoints are thrown away, and there is no latest one.

A folder becomes a checkpoint by one rename, to a name that is not in use. A step that is saved again becomes
``step-000000007.2`` beside ``step-000000007``, and gets the plain name once the earlier one is removed. A process
that is killed in between leaves one or two whole checkpoints of the step.
"""

from __future__ import annotations

import contextlib
import errno
import operator
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = re.compile(r"step-(\d+)(?:\.(\d+))?")
_UNFINISHED = ".unfinished-"
_KEEP_BY_DEFAULT = 2


@contextmanager
def save_checkpoint(step: int) -> Iterator[Path]:
    """Yield a folder for the files of a checkpoint; it becomes the checkpoint of ``step`` if the block succeeds.

    If the process is killed before that, earlier checkpoints are unchanged, even one of the same step. Only the
    last few checkpoints are kept (``keep: {last: …}`` in the study file).

    Raises:
        ValueError: the step is negative.
        OSError: the files cannot be written, for example because the disk is full; nothing has changed.
    """
    number = operator.index(step)
    if number < 0:
        raise ValueError(f"a checkpoint's step must not be negative: {step}")
    parent = _parent()
    if parent is None:
        with tempfile.TemporaryDirectory(prefix="hpotool-") as scratch:
            yield Path(scratch)
        return
    parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=_own_prefix(), dir=parent))
    try:
        yield unfinished
        # Sync before the rename: after a power cut, no name may refer to files whose content never reached the
        # disk.
        _sync(unfinished)
        final = _publish(unfinished, number)
        _sync_folder(parent)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    _take_final_name(final, number)
    remove_old_checkpoints(parent, int(os.environ.get("HPOTOOL_KEEP_CHECKPOINTS", _KEEP_BY_DEFAULT)))


def latest_checkpoint() -> Path | None:
    """The folder of this trial's newest checkpoint, from any of its attempts; None if there is none."""
    parent = _parent()
    found = checkpoints_in(parent) if parent is not None else []
    return found[-1] if found else None


def checkpoint_step(checkpoint: Path) -> int:
    """The step that the checkpoint was saved for."""
    return _order(checkpoint)[0]


def checkpoints_in(folder: Path) -> list[Path]:
    """The complete checkpoints in ``folder``, oldest step first; for a step that was saved again, the newest."""
    newest = {checkpoint_step(path): path for path in _all_in(folder)}
    return list(newest.values())


def remove_old_checkpoints(folder: Path, keep: int) -> None:
    """Keep the last ``keep`` checkpoints in ``folder``; remove older ones and leftovers of other attempts."""
    kept = checkpoints_in(folder)[-keep:]
    for path in _all_in(folder):
        if path not in kept:
            _remove(path)
    for path in folder.glob(f"{_UNFINISHED}*"):
        if not path.name.startswith(_own_prefix()):  # another thread or rank of this attempt is writing it
            shutil.rmtree(path, ignore_errors=True)


def _parent() -> Path | None:
    folder = os.environ.get("HPOTOOL_CHECKPOINT_DIR")
    return Path(folder) if folder else None


def _all_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), key=_order)


def _order(checkpoint: Path) -> tuple[int, int]:
    match = _NAME.fullmatch(checkpoint.name)
    if match is None:
        raise ValueError(f"{checkpoint} is not a checkpoint")
    return int(match[1]), int(match[2] or 1)


def _own_prefix() -> str:
    # A retry is a trial with its own number, so this number identifies the attempt.
    return f"{_UNFINISHED}{os.environ.get('HPOTOOL_TRIAL', 'x')}-"


def _publish(unfinished: Path, step: int) -> Path:
    """Rename the folder to the first name of its step that is unused and newer than all used ones."""
    taken = [_order(path)[1] for path in _all_in(unfinished.parent) if checkpoint_step(path) == step]
    revision = max(taken, default=0) + 1
    while True:
        name = f"step-{step:09d}" if revision == 1 else f"step-{step:09d}.{revision}"
        try:
            return unfinished.rename(unfinished.with_name(name))
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            revision += 1  # another rank saved the same step at the same moment


def _take_final_name(final: Path, step: int) -> None:
    """Remove earlier checkpoints of the step, and give this one the plain name."""
    for path in _all_in(final.parent):
        if checkpoint_step(path) == step and _order(path) < _order(final):
            _remove(path)
    with contextlib.suppress(OSError):  # it keeps its name, which means the same
        plain = final.with_name(f"step-{step:09d}")
        if not plain.exists():
            final.rename(plain)


def _remove(checkpoint: Path) -> None:
    # Rename first: a half-removed checkpoint must not look like a complete one.
    doomed = checkpoint.with_name(f"{_own_prefix()}{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):  # another process is removing it
        checkpoint.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_symlink():
            continue
        if path.is_dir():
            _sync_folder(path)
        elif path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems sync files only
            raise
    finally:
        os.close(number)
