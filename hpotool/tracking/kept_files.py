"""The files that a final training has kept, where an exporter can read them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hpotool.errors import HpotoolError
from hpotool.study.units import format_size


class CannotSendFilesError(HpotoolError):
    """The files are more than was allowed, or cannot be read from here."""


@dataclass(frozen=True)
class KeptFiles:
    """Files below ``place``, a folder or a URL: each one's path there, and its bytes."""

    place: str
    files: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, noted: Mapping[str, Any] | None) -> KeptFiles | None:
        """What was noted with a final training; None where it kept nothing."""
        if not noted or not noted.get("files") or not noted.get("place"):
            return None
        return cls(str(noted["place"]), tuple((str(each["name"]), int(each["bytes"])) for each in noted["files"]))

    @property
    def size(self) -> int:
        """The bytes of all files together."""
        return sum(size for _, size in self.files)

    @contextmanager
    def at_hand(self, most: int) -> Iterator[list[tuple[str, Path]]]:
        """The files by name, each where it can be read for the moment; all of them, or none.

        Raises:
            CannotSendFilesError: they are more than ``most`` bytes, or cannot be read from here as they were kept.
        """
        if self.size > most:
            raise CannotSendFilesError(f"{format_size(self.size)} are more than {format_size(most)}")
        outside = [name for name, _ in self.files if ".." in PurePosixPath(name).parts or name.startswith("/")]
        if outside:
            raise CannotSendFilesError(f"{outside[0]!r} does not lie in {self.place}")
        with tempfile.TemporaryDirectory(prefix="hpotool-artifacts-") as folder:
            root = _fetch(self, Path(folder)) if "://" in self.place else Path(self.place)
            found = [(name, root / name) for name, _ in self.files]
            for (name, size), (_, path) in zip(self.files, found, strict=True):
                if not path.is_file() or path.stat().st_size != size:
                    raise CannotSendFilesError(f"{name} is not in {self.place} as it was kept, seen from here")
            yield found


def _fetch(kept: KeptFiles, folder: Path) -> Path:
    try:
        import fsspec

        remote, path = fsspec.core.url_to_fs(kept.place)
        for name, _ in kept.files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            remote.get_file(f"{path.rstrip('/')}/{name}", str(folder / name))
    except ImportError as error:
        raise CannotSendFilesError(f"{kept.place} needs a package that is missing here: {error}") from error
    except (OSError, ValueError) as error:
        raise CannotSendFilesError(f"{kept.place} cannot be read from here: {error}") from error
    return folder
