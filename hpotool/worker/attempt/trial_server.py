"""The worker's side of an attempt: answers the objective's questions about its trial from the real Optuna trial.

Every answer is exactly that of the same call in plain Optuna, because it *is* that call. Only studies with several
metrics go further, because Optuna supports neither reports nor pruning there.

The objective's own process checks its messages. They are checked again here, because an objective can send
anything: it can access its own trial, read parts of its study, and set nothing that controls others.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from optuna import Study, Trial
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    json_to_distribution,
)
from optuna.exceptions import OptunaError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from hpotool.search.pruning.verdict import say_verdict
from hpotool.study.doors import check_name, check_step
from hpotool.study.phase import is_reevaluation
from hpotool.study.spec import MetricSpec
from hpotool.worker.process.protocol import CONSTRAINT_ATTRIBUTE, OWN_SYSTEM_ATTRIBUTES, REPORTS_ATTRIBUTE

# Errors that Optuna, a sampler or a pruner may raise because of the objective's request: raised in the objective.
# All others (above all, the database's) concern the worker and are not caught here.
_THE_OBJECTIVES_OWN = (ValueError, TypeError, KeyError, AttributeError, RuntimeError, ArithmeticError)


class TrialServer:
    """Answers one attempt's requests. Used only by the thread that runs ``study.optimize``.

    ``unheard`` is the first error of a request that does not wait for an answer. The next request that does raises
    it. ``verdict`` is what the pruner compared the trial with, if its last answer was to end it.
    """

    def __init__(self, trial: Trial, metrics: tuple[MetricSpec, ...], pruning_metric: str) -> None:
        self._trial = trial
        self._metrics = tuple(metric.name for metric in metrics)
        self._pruning_metric = pruning_metric
        self._series: dict[str, dict[int, float]] = {}
        self.unheard: Exception | None = None
        self.verdict: str | None = None
        self._answers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "suggest": self._suggest,
            "report": self._report,
            "should_prune": self._should_prune,
            "relative_params": lambda _: trial.relative_params,
            "set_user_attr": lambda request: trial.set_user_attr(request["key"], request["value"]),
            "set_system_attr": self._set_system_attr,
            "set_study_user_attr": lambda request: trial.study.set_user_attr(request["key"], request["value"]),
            "stop_study": lambda _: trial.study.stop(),
            "get_trials": self._get_trials,
            "get_best_trial": lambda _: trial.study._storage.get_best_trial(trial.study._study_id),
            "get_study_user_attrs": lambda _: trial.study.user_attrs,
        }

    def answer(self, request: dict[str, Any]) -> tuple[Any, Exception | None]:
        """The answer, or the error to raise in the objective: of this request, or an earlier unheard one.

        Raises:
            UpdateFinishedTrialError: the trial now belongs to another attempt.
        """
        answer, error = self._try(request)
        if "id" not in request:
            self.unheard = self.unheard or error
        elif error is None and self.unheard is not None:
            answer, error, self.unheard = None, self.unheard, None
        return answer, error

    def _try(self, request: dict[str, Any]) -> tuple[Any, Exception | None]:
        try:
            return self._answers[request["do"]](request), None
        except UpdateFinishedTrialError:
            raise
        except _THE_OBJECTIVES_OWN as error:
            return None, _portable(error)
        except OptunaError as error:
            return None, RuntimeError(f"{type(error).__name__}: {error}")

    def write_series(self) -> None:
        """Store the reports of metrics other than the pruning metric: {step: value} per metric."""
        trial = self._trial
        for name, values in self._series.items():
            series = {str(step): value for step, value in values.items()}
            trial.storage.set_trial_system_attr(trial._trial_id, REPORTS_ATTRIBUTE + name, series)
        self._series = {}

    def _get_trials(self, request: dict[str, Any]) -> list[FrozenTrial]:
        states = request["states"]
        wanted = None if states is None else tuple(TrialState(state) for state in states)
        return self._trial.study.get_trials(deepcopy=False, states=wanted)

    def _suggest(self, request: dict[str, Any]) -> Any:
        distribution = json_to_distribution(request["distribution"])
        value = suggest(self._trial, request["name"], distribution)
        if isinstance(distribution, CategoricalDistribution):
            return int(distribution.to_internal_repr(value))
        return value

    def _report(self, request: dict[str, Any]) -> None:
        values = {check_name(name): float(value) for name, value in request["values"].items()}
        step = check_step(request["step"])
        for name, value in values.items():
            if name == self._pruning_metric:
                self._report_pruning_metric(value, step)
            else:
                check_name(REPORTS_ATTRIBUTE + name)
                self._series.setdefault(name, {})[step] = value

    def _report_pruning_metric(self, value: float, step: int) -> None:
        trial = self._trial
        if step in trial._cached_frozen_trial.intermediate_values:
            return  # another process of the attempt has reported it; Optuna keeps the first, and would warn
        if len(self._metrics) == 1:
            trial.report(value, step)
        else:
            # As in Trial.report, which refuses studies with several metrics.
            trial.storage.set_trial_intermediate_value(trial._trial_id, step, value)
            trial._cached_frozen_trial.intermediate_values[step] = value

    def _should_prune(self, _: dict[str, Any]) -> bool:
        is_pruned = self._ask_pruner()
        self.verdict = say_verdict(self._trial.study.pruner) if is_pruned else None
        return is_pruned

    def _ask_pruner(self) -> bool:
        trial = self._trial
        if is_reevaluation(trial._cached_frozen_trial.system_attrs):
            return False  # what is measured again is measured to its end
        if len(self._metrics) == 1:
            return trial.should_prune()
        view = view_of_one_metric(trial.study, self._metrics.index(self._pruning_metric))
        return view.pruner.prune(view, trial._get_latest_trial())

    def _set_system_attr(self, request: dict[str, Any]) -> None:
        trial, key, value = self._trial, check_name(request["key"]), request["value"]
        if not key.startswith(OWN_SYSTEM_ATTRIBUTES):
            raise ValueError(f"an objective cannot set {key!r}, which belongs to samplers and pruners")
        if key.startswith(CONSTRAINT_ATTRIBUTE) and not isinstance(value, float):
            raise TypeError(f"the constraint {key!r} is not a number")
        trial.storage.set_trial_system_attr(trial._trial_id, key, value)
        trial._cached_frozen_trial.system_attrs[key] = value


def suggest(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    """Suggest a parameter from its distribution, through Optuna's public methods."""
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    raise TypeError(f"the parameter {name!r} has a {type(distribution).__name__}, which cannot be suggested")


def view_of_one_metric(study: Study, index: int) -> Study:
    """The study as a pruner expects it: with one metric, whose reports are the intermediate values."""
    view = copy.copy(study)
    view._directions = [study.directions[index]]
    return view


def _portable(error: Exception) -> Exception:
    """The error without traceback and causes, which belong to this process; a subclass becomes its base class."""
    for kind in _THE_OBJECTIVES_OWN:
        if type(error) is kind:
            return kind(*error.args)
    return RuntimeError(f"{type(error).__name__}: {error}")
