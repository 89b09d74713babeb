"""The trial that an objective is given: Optuna's own ``Trial``, whose storage and study are in the worker.

Suggestions, verdicts of the pruner and everything else that needs the study are asked of the worker through a
link; what an attempt writes (reports, attributes) is sent without waiting. What the objective has written it
reads back from its own copy, as with plain Optuna.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, Protocol

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    check_distribution_compatibility,
    distribution_to_json,
)
from optuna.study import StudyDirection
from optuna.trial import Trial

from hpotool.study.doors import LONGEST_NAME, LONGEST_VALUE, check_name, check_step, to_json
from hpotool.worker.messages import (
    CONSTRAINT_ATTRIBUTE,
    OWN_SYSTEM_ATTRIBUTES,
    REPORTS_ATTRIBUTE,
    STUDY_READS,
    Job,
    StudyView,
)

# A verdict that takes longer than this counts as "go on": training does not wait for a database that is away.
VERDICT_WITHIN_S = 10.0

_LONGEST_ATTRIBUTES = 16 * LONGEST_VALUE  # characters of JSON: they are sent together when the database was away


class Link(Protocol):
    """The way to the worker."""

    def ask(self, request: dict[str, Any], within_s: float | None = None, default: Any = None) -> Any:
        """The worker's answer; ``default`` when it takes longer than ``within_s``."""

    def tell(self, request: dict[str, Any]) -> None:
        """Send something that needs no answer."""


class ObjectiveTrial(Trial):
    """A trial in the objective's process. Beyond Optuna's: ``should_stop``, ``checkpoint_dir``, ``seed``.

    ``report`` also takes a mapping of metrics, in studies of one and of several metrics.
    """

    def __init__(self, job: Job, link: Link, is_stopping: Callable[[], bool]) -> None:
        # Not Trial.__init__: it asks the storage and the sampler, and the worker has done both already.
        self._link = link
        self._is_stopping = is_stopping
        self._cached_frozen_trial = copy.deepcopy(job.trial)
        self._trial_id = job.trial._trial_id
        self._pruning_metric = job.study.pruning_metric
        self._reported: set[tuple[str, int]] = set()
        self._size = 0  # of all attributes that it has set, as JSON
        self._sizes: dict[str, int] = {}
        self._relative: dict[str, Any] | None = None
        self.seed = job.seed
        folder = job.environment.get("HPOTOOL_CHECKPOINT_DIR")
        self._checkpoint_dir = Path(folder) if folder else None
        self.storage: Any = _TrialStorage(self, link)
        self.study: Any = ObjectiveStudy(job.study, link)

    @property
    def checkpoint_dir(self) -> Path | None:
        """The folder that this trial's attempts share, wherever they run; None where there is none."""
        return self._checkpoint_dir

    def should_stop(self) -> bool:
        """Whether the attempt is asked to write its checkpoint and return; it is started again elsewhere."""
        return self._is_stopping()

    @property
    def relative_params(self) -> dict[str, Any]:
        """What the sampler proposed for all parameters together."""
        if self._relative is None:
            self._relative = self._link.ask({"do": "relative_params"})
        return self._relative

    def report(self, value: float | Mapping[str, float], step: int) -> None:
        """Report a value, or several by metric name, at ``step``.

        A plain number in a study of several metrics belongs to the metric that is named for pruning.
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

    def set_user_attr(self, key: str, value: Any) -> None:
        """Set an attribute: anything that JSON can hold. It reads back as JSON gives it back.

        Raises:
            TypeError: ``value`` is not JSON, or too large, or ``key`` is no text.
            ValueError: ``key`` is no name that the database can hold.
        """
        self.storage.set_trial_user_attr(self._trial_id, key, value)

    def accept_attribute(self, key: Any, value: Any) -> tuple[str, Any]:
        """The attribute as it can be stored; raises what `set_user_attr` raises, and sends nothing."""
        name, plain = check_name(key), _plain(f"the attribute {key!r}", value)
        size = len(json.dumps(plain))
        total = self._size + size - self._sizes.get(name, 0)
        if total > _LONGEST_ATTRIBUTES:
            most = f"all attributes of a trial take {_LONGEST_ATTRIBUTES >> 20} MiB at most"
            raise TypeError(f"the attribute {name!r} is too much: {most}; write a file into trial.checkpoint_dir")
        self._size, self._sizes[name] = total, size
        return name, plain

    def set_constraint(self, key: str, value: float) -> None:
        """Set a constraint: zero or less is feasible.

        Raises:
            TypeError: ``value`` is no number, or ``key`` is no text.
            ValueError: ``value`` is nan, or ``key`` is no name that the database can hold.
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
        # An index, so that the objective gets back the very choice that it passed in.
        value = distribution.choices[answer] if isinstance(distribution, CategoricalDistribution) else answer
        cached.distributions[name] = distribution
        cached.params[name] = value
        return value

    def _warn_already_reported(self, step: int) -> None:
        _warn(f"The reported value is ignored because this `{step=}` is already reported.")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a trial belongs to its attempt and cannot be pickled")


class ObjectiveStudy:
    """The study as an objective sees it: its settings at once, its trials and bests from the worker."""

    def __init__(self, view: StudyView, link: Link) -> None:
        self.study_name = view.name
        self.directions = list(view.directions)
        self.metric_names = list(view.metric_names)
        self._link = link

    @property
    def direction(self) -> StudyDirection:
        """The direction of the only metric."""
        if self._is_multi_objective():
            raise RuntimeError("A single direction cannot be retrieved from a multi-objective study.")
        return self.directions[0]

    def set_user_attr(self, key: str, value: Any) -> None:
        """Set an attribute of the study: anything that JSON can hold; raises what `ObjectiveTrial` raises."""
        request = {"key": check_name(key), "value": _plain(f"the study's attribute {key!r}", value)}
        self._link.tell({"do": "set_study_user_attr", **request})

    def stop(self) -> None:
        """Let this worker end after this trial."""
        self._link.tell({"do": "stop_study"})

    def _is_multi_objective(self) -> bool:
        return len(self.directions) > 1

    def __getattr__(self, name: str) -> Any:
        if name in STUDY_READS:
            return self._link.ask({"do": "read_study", "name": name})
        raise AttributeError(f"an objective's study has no {name!r}: it has no database connection")


class _TrialStorage:
    """The few calls that ``Trial`` makes on its storage, sent to the worker."""

    def __init__(self, trial: ObjectiveTrial, link: Link) -> None:
        self._trial = trial
        self._link = link

    def set_trial_user_attr(self, _trial_id: int, key: str, value: Any) -> None:
        name, plain = self._trial.accept_attribute(key, value)
        self._link.tell({"do": "set_user_attr", "key": name, "value": plain})
        self._trial._cached_frozen_trial.user_attrs[name] = plain

    def set_trial_system_attr(self, _trial_id: int, key: str, value: Any) -> None:
        name = check_name(key)
        if not name.startswith(OWN_SYSTEM_ATTRIBUTES):
            raise ValueError(
                f"the attribute {name!r} belongs to samplers and pruners; an objective sets "
                "trial.set_user_attr and trial.set_constraint"
            )
        plain = _plain(f"the attribute {name!r}", value)
        self._link.tell({"do": "set_system_attr", "key": name, "value": plain})
        self._trial._cached_frozen_trial.system_attrs[name] = plain

    def get_trial_system_attrs(self, _trial_id: int) -> dict[str, Any]:
        return self._trial._cached_frozen_trial.system_attrs


def _numbers(value: float | Mapping[str, float], metric: str) -> dict[str, float]:
    """The reported numbers by metric; a number alone is that of ``metric``."""
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


def _plain(what: str, value: Any) -> Any:
    try:
        return to_json(value)
    except TypeError as error:
        raise TypeError(
            f"{what} {error}; store numbers, text, lists and dicts, or write a file into trial.checkpoint_dir"
        ) from None


def _to_text(name: str, distribution: BaseDistribution) -> str:
    """The distribution as JSON, with the choices as they will be read back."""
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
