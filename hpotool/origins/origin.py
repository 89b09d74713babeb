"""The whole origin of the attempts that run here: read once, then looked at again between trials."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hpotool.origins.code import code_stamp, read_code
from hpotool.origins.data import DataReader
from hpotool.origins.environment import environment_part
from hpotool.origins.hash_cache import HashCache
from hpotool.settings import home_folder
from hpotool.study.origins.content import Origin, Part
from hpotool.study.spec import StudySpec

# Looking costs at most this share of a worker's time: with a million files it is done less often than with ten.
LARGEST_SHARE = 0.01


def make_reader(spec: StudySpec, home: Path | None = None) -> DataReader:
    """A reader of the study's data, whose hashes are kept below the home folder."""
    return DataReader(spec.data, HashCache((home or home_folder()) / "hashes"))


class OriginWatch:
    """Reads the origin of a study's attempts on this machine, and notices when it changes."""

    def __init__(
        self,
        spec: StudySpec,
        reader: DataReader,
        gpus: Sequence[str] = (),
        driver: str | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._spec = spec
        self._reader = reader
        self._clock = clock
        self._stamp = self._look()
        self._not_before = clock()
        self.origin = Origin(self._read_code(), reader.read(), environment_part(gpus, driver))

    def has_changed(self) -> bool:
        """Whether data, or a command's code, is another one since the last call; ``origin`` is what it is now."""
        began = self._clock()
        if began < self._not_before:
            return False
        stamp = self._look()
        ended = self._clock()
        self._not_before = ended + (ended - began) / LARGEST_SHARE
        if stamp == self._stamp:
            return False
        self._stamp, before = stamp, self.origin
        self.origin = Origin(self._read_code(), self._reader.read(), before.environment)
        return [part.hash for part in self.origin.parts] != [part.hash for part in before.parts]

    def _look(self) -> object:
        return code_stamp(self._spec.objective), self._reader.stamp()

    def _read_code(self) -> Part:
        return read_code(self._spec.objective, self._reader.local_paths())
