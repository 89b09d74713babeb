"""What further search may still gain, against what a trial takes. Computed when asked for, never by a trial."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpotool.analysis.results import json_data, metric_names
from hpotool.errors import HpotoolError
from hpotool.search.history import recent_trials
from hpotool.search.regret.estimate import estimate_regret
from hpotool.study.branch import has_branches
from hpotool.study.rules.regret import FEWEST_TRIALS, PROBABILITY, Regret
from hpotool.study.wording import format_elapsed

if TYPE_CHECKING:
    from optuna import Study

    from hpotool.study.spec import StudySpec

_ENDED = ("COMPLETE", "PRUNED", "FAIL")
_REST = 20  # times as long as an estimate took of the processor, before the next one
_LEAST_REST_S = 1.0


@dataclass(frozen=True)
class Gain:
    """How much better the metric may become.

    Attributes:
        trial_s: the worker time that a finished trial takes, failures included; None: unknown.
    """

    metric: str
    regret: Regret
    trial_s: float | None = None

    @property
    def sentence(self) -> str:
        """The estimate and its meaning."""
        found = self.regret
        return (
            f"further search can improve {self.metric} over trial {found.best} by {found.expected:.2g} "
            f"(expected), and with probability {PROBABILITY:g} by at most {found.at_most:.2g}"
        )

    @property
    def outlook(self) -> str:
        """The sentence with what a trial takes, if that is known."""
        takes = "" if self.trial_s is None else f"; a trial takes {format_elapsed(self.trial_s)} of worker time"
        return f"{self.sentence}{takes}"

    def as_data(self) -> dict[str, Any]:
        """Return JSON data."""
        found = self.regret
        return {
            "metric": self.metric,
            "expected": json_data(found.expected),
            "at_most": json_data(found.at_most),
            "probability": PROBABILITY,
            "trials": found.trials,
            "best": found.best,
            "trial_s": self.trial_s,
            "sentence": self.sentence,
        }


def find_gain(study: Study, spec: StudySpec | None = None, trial_s: float | None = None) -> Gain | None:
    """Return what may be left to gain; None where the trials cannot say.

    That is so before twenty trials have finished, with several metrics, and where trials continue other trials.
    ``spec`` is None for a study of plain Optuna.
    """
    if len(study.directions) > 1 or (spec is not None and has_branches(spec)):
        return None
    found = estimate_regret(recent_trials(study), study.direction, spec.search_space if spec else ())
    return None if found is None else Gain(metric_names(study)[0], found, trial_s)


class GainFollower:
    """Keeps the estimate current for a screen that follows one study.

    Promise: nobody who looks waits for an estimate, none is made twice from the same trials, and all of them
    together take at most a twentieth of one processor.

    Args:
        read_spec: reads the study's settings, for each estimate anew, because they may have changed.
    """

    def __init__(self, read_spec: Callable[[], StudySpec | None]) -> None:
        self._read_spec = read_spec
        self._lock = threading.Lock()
        self._found: Gain | None = None
        self._seen: tuple[int, ...] | None = None  # the trials that had ended for the latest estimate
        self._is_estimating = False
        self._rests_until = 0.0

    def look(self, study: Study, trials: Mapping[str, int], trial_s: float | None) -> Gain | None:
        """Return the latest estimate, and begin the next one in a thread if more ``trials`` have ended."""
        ended = tuple(trials.get(state, 0) for state in _ENDED)
        if len(study.directions) > 1 or ended[0] + ended[1] < FEWEST_TRIALS:
            return None
        with self._lock:
            is_resting = self._is_estimating or time.monotonic() < self._rests_until
            if ended != self._seen and not is_resting:
                self._is_estimating = True
                threading.Thread(target=self._estimate, args=(study, ended), daemon=True).start()
            return None if self._found is None else replace(self._found, trial_s=trial_s)

    def _estimate(self, study: Study, ended: tuple[int, ...]) -> None:
        found, seen = self._found, self._seen
        try:
            found, seen = find_gain(study, self._read_spec()), ended
        except (HpotoolError, KeyError):  # the database is away, or the study was deleted: the screen says so
            pass
        finally:
            with self._lock:
                self._found, self._seen, self._is_estimating = found, seen, False
                self._rests_until = time.monotonic() + max(_LEAST_REST_S, _REST * time.thread_time())
