"""Data that DVC versions: its own hash, from the ``.dvc`` file, so that nothing is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

_HASHES = ("md5", "etag", "checksum", "sha256")


def read_dvc(path: Path) -> dict[str, Any]:
    """What the file says of its outputs, or ``trouble`` where an output beside it is certainly another one.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no ``.dvc`` file.
    """
    outputs = _outputs(path)
    hashes = {str(output["path"]): _hash_of(output) for output in outputs}
    size = sum(int(output.get("size") or 0) for output in outputs)
    for trouble in _troubles(path, outputs):
        return {"trouble": trouble}
    single = next(iter(hashes.values()))
    return {"hash": single if len(hashes) == 1 else " ".join(map(" ".join, sorted(hashes.items()))), "bytes": size}


def _outputs(path: Path) -> list[Mapping[str, Any]]:
    try:
        outputs = yaml.safe_load(path.read_text())["outs"]
        if outputs and all(output["path"] and _hash_of(output) for output in outputs):
            return list(outputs)
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        pass
    raise ValueError(f"{path.name} is no .dvc file with hashes")


def _hash_of(output: Mapping[str, Any]) -> str:
    return next((str(output[name]) for name in _HASHES if output.get(name)), "")


def _troubles(path: Path, outputs: list[Mapping[str, Any]]) -> Iterator[str]:
    """Outputs whose size is not that of the version that the file names: somebody forgot ``dvc checkout``."""
    for output in outputs:
        own, size = path.parent / output["path"], output.get("size")
        if isinstance(size, int) and own.is_file() and own.stat().st_size != size:
            yield f"{own.name} has {own.stat().st_size} bytes, and {size} in {path.name}; run dvc checkout"
