"""What further search may still gain, against what a trial takes. Computed when asked for, never by a trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpotool.analysis.results import json_data, metric_names
from hpotool.search.history import recent_trials
from hpotool.search.regret.estimate import estimate_regret
from hpotool.study.branch import has_branches
from hpotool.study.rules.regret import PROBABILITY, Regret

if TYPE_CHECKING:
    from optuna import Study

    from hpotool.study.spec import StudySpec


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
