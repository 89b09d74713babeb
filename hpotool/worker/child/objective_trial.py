"""The trial passed to an objective: Optuna's own ``Trial``, whose storage and study are in the worker.

Suggestions, pruning decisions and everything else that needs the study are requested from the worker through a
link; writes (reports, attributes) are sent without waiting. The objective reads its own writes back from its copy,
as with plain Optuna. Copies of a trial, even in other processes, are the same trial: a parameter suggested in one
is known to the others, and each can report.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    check_distribution_compatibility,
    distribution_to_json,
)
from optuna.trial import Trial

from hpotool.study.doors import LONGEST_NAME, check_name, check_step, to_json
from hpotool.worker.child.objective_study import Link, ObjectiveStorage, ObjectiveStudy
from hpotool.worker.process.protocol import CONSTRAINT_ATTRIBUTE, REPORTS_ATTRIBUTE, Job

# A pruning decision that takes longer than this counts as "continue": training does not wait during an outage.
VERDICT_WITHIN_S = 10.0


class ObjectiveTrial(Trial):
    """A trial in the objective's process.

    Additions to Optuna's: ``should_stop``, ``checkpoint_dir``, ``seed``, ``phase``.

    ``report`` also accepts a mapping of metrics.
    """

    def __init__(self, job: Job, link: Link, is_stopping: Callable[[], bool]) -> None:
        # Trial.__init__ is not called: it would ask the storage and the sampler, which the worker has already
        # done.
        self._link = link
        self._is_stopping = is_stopping
        self._cached_frozen_trial = copy.deepcopy(job.trial)
        self._trial_id = job.trial._trial_id
        self._pruning_metric = job.study.pruning_metric
        self._reported: set[tuple[str, int]] = set()
        self._relative: dict[str, Any] | None = None
        self.seed = job.seed
        self.phase = job.environment.get("HPOTOOL_PHASE", "search")
        folder = job.environment.get("HPOTOOL_CHECKPOINT_DIR")
        self._checkpoint_dir = Path(folder) if folder else None
        self.storage: Any = ObjectiveStorage(self._cached_frozen_trial, job.study, link)
        self.study: Any = ObjectiveStudy(job.study, link, self.storage)

    @property
    def checkpoint_dir(self) -> Path | None:
        """The folder that this trial's attempts share, wherever they run; None if there is none."""
        return self._checkpoint_dir

    def should_stop(self) -> bool:
        """Whether the attempt should save a checkpoint and return; it is then started again elsewhere."""
        return self._is_stopping()

    @property
    def relative_params(self) -> dict[str, Any]:
        """The sampler's proposal for the parameters that it samples jointly."""
        if self._relative is None:
            self._relative = self._link.ask({"do": "relative_params"})
        return self._relative

    def report(self, value: float | Mapping[str, float], step: int) -> None:
        """Report a value, or several by metric name, at ``step``.

        In a study with several metrics, a plain number belongs to the metric that is used for pruning.
        """
        values = _numbers(value, self._pruning_metric)
        step = self._step(step)
        new = {name: number for name, number in values.items() if (name, step) not in self._reported}
        if len(new) < len(values):
            self._warn_already_reported(step)
        if not new:
            return
        self._reported.update((name, step) for name in new)
        self._link.tell({"do": "report", "values": new, "step": step})
        if self._pruning_metric in new:
            self._cached_frozen_trial.intermediate_values[step] = new[self._pruning_metric]

    def should_prune(self) -> bool:
        """Whether the pruner of the study would end this trial now."""
        return bool(self._link.ask({"do": "should_prune"}, within_s=VERDICT_WITHIN_S, default=False))

    def describe_prune(self) -> str:
        """How far a pruned trial got: the last step that the pruner saw, and its value."""
        reports = self._cached_frozen_trial.intermediate_values
        if not reports:
            return "the objective pruned itself before its first report"
        step = max(reports)
        return f"at step {step}: {self._pruning_metric or 'value'} {reports[step]:.4g}"

    def set_user_attr(self, key: str, value: Any) -> None:
        """Set an attribute, to anything that JSON can represent. It reads back as after a round trip through JSON.

        Raises:
            TypeError: ``value`` is not JSON, or too large, or ``key`` is not text.
            ValueError: ``key`` cannot be stored in the database.
        """
        self.storage.set_trial_user_attr(self._trial_id, key, value)

    def accept_attribute(self, key: Any, value: Any) -> tuple[str, Any]:
        """The attribute in its storable form. Raises the errors of `set_user_attr`, and sends nothing."""
        accepted: tuple[str, Any] = self.storage.accept_attribute(key, value)
        return accepted

    def set_constraint(self, key: str, value: float) -> None:
        """Set a constraint: zero or less is feasible.

        Raises:
            TypeError: ``value`` is not a number, or ``key`` is not text.
            ValueError: ``value`` is nan, or ``key`` cannot be stored in the database.
        """
        super().set_constraint(check_name(key, LONGEST_NAME - len(CONSTRAINT_ATTRIBUTE)), value)

    def _step(self, step: Any) -> int:
        number = check_step(step)
        if isinstance(step, float) and number != step:
            _warn(f"The reported step {step!r} counts as step {number}.")
        return number

    def _suggest(self, name: str, distribution: BaseDistribution) -> Any:
        cached = self._cached_frozen_trial
        name = check_name(name)
        if name in cached.distributions:
            check_distribution_compatibility(cached.distributions[name], distribution)
            return cached.params[name]
        answer = self._link.ask({"do": "suggest", "name": name, "distribution": _to_text(name, distribution)})
        # An index, so that the objective gets back the same object that it passed in.
        value = distribution.choices[answer] if isinstance(distribution, CategoricalDistribution) else answer
        cached.distributions[name] = distribution
        cached.params[name] = value
        return value

    def _warn_already_reported(self, step: int) -> None:
        _warn(f"The reported value is ignored because this `{step=}` is already reported.")


def _numbers(value: float | Mapping[str, float], metric: str) -> dict[str, float]:
    """The reported numbers by metric; a plain number belongs to ``metric``."""
    if isinstance(value, Mapping):
        if not value:
            raise ValueError("a report needs at least one metric")
        longest = LONGEST_NAME - len(REPORTS_ATTRIBUTE)
        return {check_name(name, longest): _number(part) for name, part in value.items()}
    return {metric: _number(value)}


def _number(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError("the reported value is too large for a float") from None
    except (TypeError, ValueError):
        raise TypeError(f"The `value` argument is of type '{type(value)}' but supposed to be a float.") from None


def _to_text(name: str, distribution: BaseDistribution) -> str:
    """The distribution as JSON, with the choices as they will read back."""
    if not isinstance(distribution, CategoricalDistribution):
        return distribution_to_json(distribution)
    try:
        choices = [to_json(choice) for choice in distribution.choices]
    except TypeError as error:
        raise TypeError(
            f"a choice of the parameter {name!r} {error}; suggest its name, and look it up in a dict"
        ) from None
    return json.dumps({"name": CategoricalDistribution.__name__, "attributes": {"choices": choices}})


def _warn(message: str) -> None:
    from optuna._warnings import optuna_warn

    optuna_warn(message)
