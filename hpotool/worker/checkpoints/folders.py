"""Creates, replaces and removes checkpoint folders on disk, so that nobody finds an incomplete one."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import shutil
import threading
from pathlib import Path

from hpotool.worker.checkpoints.folder_contents import NOT_COPIED

_logger = logging.getLogger(__name__)


def remove_folder(folder: Path) -> None:
    """Remove a checkpoint folder completely or not at all. A link itself is removed, never its target."""
    # Rename first, so that a half-removed folder is not found.
    doomed = folder.with_name(f".removing-{folder.name}-{secrets.token_hex(4)}")
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        folder.rename(doomed)
    if doomed.is_symlink():
        doomed.unlink()
    shutil.rmtree(doomed, ignore_errors=True)


def make_unless_full(folder: Path) -> None:
    """Create the folder. On a full disk, the attempt runs without it: saving raises, but its result counts."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _logger.warning("an attempt runs without a checkpoint folder: %s", error)


def replace_folder(folder: Path, new: Path) -> None:
    """Replace the folder by ``new``. If the process is killed in between, there is no folder."""
    remove_folder(folder)
    new.rename(folder)


def has_content(folder: Path) -> bool:
    """Whether the folder contains anything that an attempt wrote."""
    return folder.is_dir() and any(path.name != NOT_COPIED for path in folder.iterdir())


def read_or_empty(path: Path) -> str:
    """The file's text; empty if it cannot be read."""
    try:
        return path.read_text()
    except OSError:
        return ""


def write_whole(path: Path, text: str) -> None:
    """Write the file so that it has its old or its new text, whenever the process dies."""
    new = path.with_name(f".{path.name.lstrip('.')}.{os.getpid()}.{threading.get_ident()}.new")
    try:
        new.write_text(text)
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
