"""The pruner that learns from the study's own curves where a trial is going."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterable
from typing import Any

from optuna import Study
from optuna.pruners import BasePruner
from optuna.samplers._tpe.sampler import _get_infeasible_trial_score
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hpotool.search.pruning.curves import Curve
from hpotool.search.pruning.following import Following
from hpotool.search.pruning.stopping import FEWEST_COMPLETE, CurveHistory
from hpotool.storage.optuna.postgres import PostgresStorage
from hpotool.storage.optuna.stored_trial import StoredTrial
from hpotool.study.forecast import FORECAST_ATTRIBUTE, Forecast

_LATEST, _BEST = 140, 60  # finished trials that are learned from
_LEARNS_AGAIN_AFTER = 0.05  # of the finished trials have joined


class LearnedPruner(Following, BasePruner):
    """Ends a trial whose remaining steps promise far less than a new trial's would.

    It expects a final value from the trial's curve, by all curves of the study, and notes it with the trials that
    it ends. What a trial ends with is its value, or with several metrics its last report.

    Args:
        n_startup_trials: how many trials complete before any is pruned.
    """

    def __init__(self, n_startup_trials: int = FEWEST_COMPLETE) -> None:
        self._fewest = n_startup_trials
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        return {"n_startup_trials": self._fewest}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether to end the trial now."""
        self.held_against = None
        sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        history = self._learn(study, trial, sign)
        curve = Curve.of(trial.intermediate_values, sign)
        verdict = None if history is None else history.judge(curve)
        if verdict is None or not verdict.is_hopeless:
            return False
        forecast = verdict.forecast(sign)
        self.held_against = forecast.sentence()
        self._note(study, trial, forecast)
        return True

    def _note(self, study: Study, trial: FrozenTrial, forecast: Forecast) -> None:
        """Keep with the trial why it is ended: for people, and for the sampler."""
        study._storage.set_trial_system_attr(trial._trial_id, FORECAST_ATTRIBUTE, forecast.as_data())

    def _forget(self) -> None:
        self._seen, self._learned_from = 0, 0
        self._waiting: list[FrozenTrial] = []  # finished trials that have not been learned from
        self._numbers: set[int] = set()  # of the finished trials that were seen, where there is no log of them
        self._latest: deque[FrozenTrial] = deque(maxlen=_LATEST)
        self._best: list[tuple[float, int, FrozenTrial]] = []
        self._curves: dict[int, Curve] = {}
        self._known: CurveHistory | None = None

    def _learn(self, study: Study, trial: FrozenTrial, sign: float) -> CurveHistory | None:
        new, unfinished = self._read(study)
        if self._catch_up(new, sign):
            running = [
                Curve.of(other.intermediate_values, sign)
                for other in unfinished
                if other.state == TrialState.RUNNING and other.number != trial.number
            ]
            self._known = CurveHistory.of(self._choose(study, sign), running, self._fewest)
        return self._known

    def _read(self, study: Study) -> tuple[Iterable[FrozenTrial], Iterable[FrozenTrial]]:
        """The trials that finished since the last time, and those that have not."""
        if isinstance(study._storage, PostgresStorage):
            _, log, is_new = self._follow(study, with_steps=True)
            if is_new:
                self._forget()
            new: Iterable[FrozenTrial] = log.finished[self._seen :]
            self._seen = len(log.finished)
            return new, log.unfinished
        trials = study.get_trials(deepcopy=False)
        new = [trial for trial in trials if trial.state.is_finished() and trial.number not in self._numbers]
        self._numbers.update(trial.number for trial in new)
        return new, [trial for trial in trials if not trial.state.is_finished()]

    def _catch_up(self, new: Iterable[FrozenTrial], sign: float) -> bool:
        """Take in finished trials up to the last one after which to learn; whether there is one. Later ones wait.

        So a worker that was restarted, or that looks less often, learns from the same trials.
        """
        self._waiting += [
            trial
            for trial in new
            if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) and trial.last_step is not None
        ]
        count = 0
        while (more := count + int(_LEARNS_AGAIN_AFTER * (self._learned_from + count)) + 1) <= len(self._waiting):
            count = more
        for trial in self._waiting[:count]:
            self._latest.append(trial)
            if trial.state == TrialState.COMPLETE and trial._values and len(trial._values) == 1:
                insort(self._best, (sign * trial._values[0], trial.number, trial))
                del self._best[_BEST:]
        del self._waiting[:count]
        self._learned_from += count
        return count > 0

    def _choose(self, study: Study, sign: float) -> list[Curve]:
        """The curves of the best and the latest trials, by number. Those that were read before are kept."""
        chosen = {trial.number: trial for trial in [*(trial for *_, trial in self._best), *self._latest]}
        new = [trial for number, trial in chosen.items() if number not in self._curves]
        if isinstance(study._storage, PostgresStorage):
            study._storage.load_steps([trial for trial in new if isinstance(trial, StoredTrial)])
        read = {trial.number: _curve_of(trial, sign) for trial in new}
        self._curves = {number: read.get(number) or self._curves[number] for number in sorted(chosen)}
        return list(self._curves.values())


def _curve_of(trial: FrozenTrial, sign: float) -> Curve:
    reports = trial.intermediate_values
    if trial.state != TrialState.COMPLETE:
        return Curve.of(reports, sign)
    values = trial._values or []
    final = values[0] if len(values) == 1 else reports[max(reports)]
    return Curve.of(reports, sign, final, counts=_get_infeasible_trial_score(trial) <= 0)
