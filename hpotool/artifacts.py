"""Files that a final training leaves behind, for objectives and scripts; needs only the standard library.

    hpotool.log_artifact("model.pt")
    hpotool.log_artifact(folder, "tokenizer")

They are copied into ``HPOTOOL_ARTIFACTS``, the folder that ``hpotool run --final`` keeps. In the search and in a
confirmation there is no such folder, and by hand neither: there nothing is kept.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath


def log_artifact(path: str | os.PathLike[str], name: str | None = None) -> Path | None:
    """Keep a file, or a folder with all that is in it, as ``name``; what was kept as that before is replaced.

    Returns where it lies now; None where nothing is kept.

    Raises:
        ValueError: the name leads out of the folder.
        FileNotFoundError: there is nothing at ``path``.
        OSError: it cannot be copied, because the disk is full for one.
    """
    source = Path(path)
    chosen = PurePosixPath(source.resolve().name if name is None else name)
    if chosen.is_absolute() or ".." in chosen.parts or not chosen.parts:
        raise ValueError(f"an artifact's name is a path within its folder, and {str(chosen)!r} is none")
    if not source.exists():
        raise FileNotFoundError(f"there is no file to keep at {source}")
    folder = os.environ.get("HPOTOOL_ARTIFACTS")
    if not folder:
        return None
    kept = Path(folder, *chosen.parts)
    kept.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place first: whoever is killed meanwhile leaves what was there, and nothing half.
    new = kept.with_name(f".{kept.name}.writing")
    _remove(new)
    if source.is_dir():
        shutil.copytree(source, new)
    else:
        shutil.copy2(source, new)
    _remove(kept)
    new.rename(kept)
    return kept


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
