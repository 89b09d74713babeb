"""The study that an objective sees: a readable version of Optuna's own ``Study``.

All reads are Optuna's own code on a small storage that gets its answers from the worker. Methods that would change
the study raise an error, except for ``stop`` and the study's attributes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Container
from typing import Any, NoReturn, Protocol

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hpotool.study.doors import LONGEST_VALUE, check_name, to_json
from hpotool.worker.process.protocol import OWN_SYSTEM_ATTRIBUTES, StudyView

_METRIC_NAMES = "study:metric_names"  # Optuna's name for it
_LONGEST_ATTRIBUTES = 16 * LONGEST_VALUE  # characters of JSON: after an outage, they are all sent together


class Link(Protocol):
    """The link to the worker."""

    def ask(self, request: dict[str, Any], within_s: float | None = None, default: Any = None) -> Any:
        """The worker's answer; ``default`` if it takes longer than ``within_s``."""

    def tell(self, request: dict[str, Any]) -> None:
        """Send a message that needs no answer."""


class ObjectiveStorage:
    """The storage of ``Trial`` and ``Study``, which asks the worker. ``trial`` is the objective's copy."""

    def __init__(self, trial: FrozenTrial, view: StudyView, link: Link) -> None:
        self._trial = trial
        self._view = view
        self._link = link
        self._size = 0  # of all attributes set so far, as JSON
        self._sizes: dict[str, int] = {}

    def accept_attribute(self, key: Any, value: Any) -> tuple[str, Any]:
        """The attribute in the form in which it can be stored. Sends nothing.

        Raises:
            TypeError: ``value`` is not JSON, or too large, or ``key`` is not text.
            ValueError: ``key`` cannot be stored in the database.
        """
        name, plain = check_name(key), _plain(f"the attribute {key!r}", value)
        size = len(json.dumps(plain))
        total = self._size + size - self._sizes.get(name, 0)
        if total > _LONGEST_ATTRIBUTES:
            most = f"all attributes of a trial can take at most {_LONGEST_ATTRIBUTES >> 20} MiB"
            raise TypeError(f"the attribute {name!r} is too large: {most}; write a file into trial.checkpoint_dir")
        self._size, self._sizes[name] = total, size
        return name, plain

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set an attribute of the running trial; raises the errors of ``accept_attribute``.

        Raises:
            RuntimeError: it is another trial.
        """
        self._check_is_own(trial_id)
        name, plain = self.accept_attribute(key, value)
        self._link.tell({"do": "set_user_attr", "key": name, "value": plain})
        self._trial.user_attrs[name] = plain

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Like ``set_trial_user_attr``, for system attributes that an objective may set.

        Raises:
            ValueError: the attribute controls samplers, pruners or workers.
        """
        self._check_is_own(trial_id)
        name = check_name(key)
        if not name.startswith(OWN_SYSTEM_ATTRIBUTES):
            raise ValueError(
                f"the attribute {name!r} belongs to samplers and pruners; an objective can use "
                "trial.set_user_attr and trial.set_constraint"
            )
        plain = _plain(f"the attribute {name!r}", value)
        self._link.tell({"do": "set_system_attr", "key": name, "value": plain})
        self._trial.system_attrs[name] = plain

    def get_trial_system_attrs(self, trial_id: int) -> dict[str, Any]:
        """For the running trial, from this copy of it; for another trial, from the worker."""
        return self._trial.system_attrs if self._is_own(trial_id) else self.get_trial(trial_id).system_attrs

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """A trial of the study."""
        if self._is_own(trial_id):
            return copy.deepcopy(self._trial)
        return next(trial for trial in self.get_all_trials(0) if trial._trial_id == trial_id)

    def get_all_trials(
        self, _study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The study's trials. Each call returns copies, whatever ``deepcopy`` is."""
        wanted = None if states is None else [state.value for state in TrialState if state in states]
        trials: list[FrozenTrial] = self._link.ask({"do": "get_trials", "states": wanted})
        return trials

    def get_best_trial(self, _study_id: int) -> FrozenTrial:
        """The best complete trial, with one metric."""
        trial: FrozenTrial = self._link.ask({"do": "get_best_trial"})
        return trial

    def get_study_user_attrs(self, _study_id: int) -> dict[str, Any]:
        """The study's attributes."""
        attributes: dict[str, Any] = self._link.ask({"do": "get_study_user_attrs"})
        return attributes

    def set_study_user_attr(self, _study_id: int, key: str, value: Any) -> None:
        """Set an attribute of the study, to anything that JSON can represent."""
        request = {"key": check_name(key), "value": _plain(f"the study's attribute {key!r}", value)}
        self._link.tell({"do": "set_study_user_attr", **request})

    def get_study_system_attrs(self, _study_id: int) -> dict[str, Any]:
        """The names of the metrics; other system attributes belong to samplers."""
        return {_METRIC_NAMES: list(self._view.metric_names)}

    def get_study_directions(self, _study_id: int) -> list[StudyDirection]:
        """The direction of each metric."""
        return list(self._view.directions)

    def get_study_name_from_id(self, _study_id: int) -> str:
        """The study's name."""
        return self._view.name

    def _is_own(self, trial_id: int) -> bool:
        return trial_id == int(self._trial._trial_id)

    def _check_is_own(self, trial_id: int) -> None:
        if not self._is_own(trial_id):
            raise RuntimeError(_REFUSED)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # copy and pickle look up attributes that do not exist
            raise AttributeError(name)
        raise AttributeError(f"an objective has no database connection; its storage has no {name!r}")


class NamedPart:
    """The study's sampler or pruner, in the objective only a name. It runs in the worker."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


class ObjectiveStudy(Study):
    """A study in the objective's process: reading works, writing is refused."""

    def __init__(self, view: StudyView, link: Link, storage: ObjectiveStorage) -> None:
        # Study.__init__ is not called, because it needs a real storage.
        self.__setstate__({})
        self.study_name = view.name
        self.sampler: Any = NamedPart(view.sampler)
        self.pruner: Any = NamedPart(view.pruner)
        self._study_id = 0  # the worker has the real one
        self._directions = list(view.directions)
        self._storage: Any = storage
        self._stop_flag = False
        self._link = link

    def stop(self) -> None:
        """Drain the study: running trials finish on all workers, and no new trial starts."""
        self._link.tell({"do": "stop_study"})

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise RuntimeError(_REFUSED)

    optimize = ask = tell = enqueue_trial = add_trial = add_trials = set_metric_names = _refuse


_REFUSED = (
    "an objective can read its study but write only its own trial: optimize, ask, tell, add_trial, enqueue_trial "
    "and set_metric_names are not available; queue points with `hpotool enqueue`, or create another study with "
    "optuna.create_study()"
)


def _plain(what: str, value: Any) -> Any:
    try:
        return to_json(value)
    except TypeError as error:
        raise TypeError(
            f"{what} {error}; store numbers, text, lists and dicts, or write a file into trial.checkpoint_dir"
        ) from None
