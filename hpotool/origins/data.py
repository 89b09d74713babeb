"""The data that a study names, read on this machine: files, folders, URLs and ``.dvc`` files.

What cannot be read is part of the answer (``trouble``), not an error: the objective may not need it here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hpotool.origins.dvc import read_dvc
from hpotool.origins.files import read_path, stamp_path
from hpotool.origins.hash_cache import HashCache
from hpotool.origins.remote import UnknownContentError, read_url
from hpotool.study.command_template import ENVIRONMENT
from hpotool.study.origins.content import Part

URLS_EVERY_S = 300.0  # a server is asked again between two trials


class DataReader:
    """Reads the data of a study. ``folder``: that of relative paths; ``cache``: keeps the hashes of files."""

    def __init__(
        self,
        paths: Sequence[str],
        cache: HashCache,
        folder: Path | None = None,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._paths = paths
        self._cache = cache
        self._folder = folder or Path.cwd()
        self._environment = environment
        self._clock = clock
        self._asked: dict[str, tuple[float, dict[str, Any]]] = {}  # a URL's last answer, and when it came

    def read(self) -> Part | None:
        """All of it; None where the study names no data."""
        return Part("data", {path: self._read_one(path) for path in self._paths}) if self._paths else None

    def stamp(self) -> object:
        """What is another value when the data has changed, at the cost of a look at each file's times."""
        return [self._stamp_one(path) for path in self._paths]

    def local_paths(self) -> list[Path]:
        """The files and folders among it."""
        places = [self._place(path) for path in self._paths]
        return [place for place in places if isinstance(place, Path)]

    def _place(self, path: str) -> Path | str | None:
        """Where it is on this machine: a path or a URL; None where that takes a variable that is not set."""
        if any(name not in self._environment for name in ENVIRONMENT.findall(path)):
            return None
        filled = ENVIRONMENT.sub(lambda found: self._environment[found.group(1)], path)
        return filled if "://" in filled else self._folder / Path(filled).expanduser()

    def _read_one(self, path: str) -> dict[str, Any]:
        place = self._place(path)
        if place is None:
            return {"trouble": "a variable in it is not set here"}
        if isinstance(place, str):
            return self._ask(place)
        try:
            return read_dvc(place) if place.suffix == ".dvc" else read_path(place, self._cache)
        except FileNotFoundError:
            return {"trouble": "it is not there"}
        except (OSError, ValueError) as error:
            return {"trouble": f"it cannot be read: {getattr(error, 'strerror', None) or error}"}

    def _stamp_one(self, path: str) -> object:
        place = self._place(path)
        if isinstance(place, str):
            return self._ask(place)
        return None if place is None else stamp_path(place)

    def _ask(self, url: str) -> dict[str, Any]:
        """What the server says, or said lately; one that is away for a moment has not changed anything."""
        last = self._asked.get(url)
        if last is not None and self._clock() < last[0] + URLS_EVERY_S:
            return last[1]
        try:
            answer = read_url(url)
        except UnknownContentError as error:
            answer = last[1] if last is not None else {"trouble": str(error)}
        self._asked[url] = (self._clock(), answer)
        return answer
