"""What the latest looks at a study's trials find, each from the trials that had finished first by then."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hpotool.search.regret.estimate import estimate_regret
from hpotool.study.rules.regret import Regret, latest_looks
from hpotool.study.spec import ParameterSpec


class RegretLooks:
    """The looks at one study, each estimated once."""

    def __init__(self, direction: StudyDirection, space: Sequence[ParameterSpec] = ()) -> None:
        self._direction = direction
        self.space = space
        self._found: dict[int, Regret | None] = {}

    def judge(self, trials: Sequence[FrozenTrial]) -> tuple[Regret | None, ...]:
        """Return what the latest looks find, the older one first; empty before the first look."""
        ended = sort_by_end(trials)
        places = [place for place, trial in enumerate(ended, 1) if trial.state != TrialState.FAIL]
        looks = latest_looks(len(places))
        self._found = {look: found for look, found in self._found.items() if look in looks}
        for look in looks:
            if look not in self._found:
                self._found[look] = estimate_regret(ended[: places[look - 1]], self._direction, self.space)
        return tuple(self._found[look] for look in looks)


def sort_by_end(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that have ended, in the order in which they did."""
    ended = [trial for trial in trials if trial.state.is_finished() and trial.datetime_complete is not None]
    return sorted(ended, key=lambda trial: (trial.datetime_complete, trial._trial_id))
