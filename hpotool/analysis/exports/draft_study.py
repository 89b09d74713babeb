"""Drafts a study file that adopts a study of plain Optuna, or an imported one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hpotool.analysis.results import metric_names
from hpotool.study.doors import LARGEST_EXACT, storable
from hpotool.study.draft.write import Draft, DraftParameter
from hpotool.study.file.grammar.space import check_parameter_name
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

_MORE_TRIALS = 100


def draft_study(study: Study) -> Draft:
    """Return a draft whose search space and conditions are derived from the trials."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.distributions]
    names = list(dict.fromkeys(name for trial in trials for name in trial.distributions))
    latest = {name: trial.distributions[name] for trial in trials for name in trial.distributions}
    unusable = [name for name in names if _content(latest[name]) is None or not _is_name(name)]
    finished = sum(
        trial.state.is_finished() and trial.state.name != "FAIL" for trial in study.get_trials(deepcopy=False)
    )
    counts = count_of(finished, "trial is already finished, and counts", "trials are already finished, and count")
    notes = ["the objective is unknown: name it", f"{counts} towards the budget"]
    if unusable:
        these = ", ".join(unusable)
        notes.append(f"a study file cannot express {these}: the objective continues to suggest its own parameters")
    directions = [direction.name.lower() for direction in study.directions]
    return Draft(
        study.study_name,
        {"python": "my_module:objective"},
        dict(zip(metric_names(study), directions, strict=True)),
        [_parameter(name, latest[name], trials, latest) for name in names],
        trials=finished + _MORE_TRIALS,
        notes=notes,
        has_space=not unusable,
    )


def _parameter(
    name: str, distribution: BaseDistribution, trials: Sequence[FrozenTrial], space: Mapping[str, BaseDistribution]
) -> DraftParameter:
    content = _content(distribution)
    present = sum(name in trial.params for trial in trials)
    if content is None or present == len(trials):
        return DraftParameter(name, content, "" if content else str(distribution))
    when = _condition(name, trials, space)
    if when is None:
        return DraftParameter(
            name, content, f"only in {present} of {len(trials)} trials: add when: {{PARENT: VALUE}}"
        )
    return DraftParameter(name, {**content, "when": when})


def _condition(
    name: str, trials: Sequence[FrozenTrial], space: Mapping[str, BaseDistribution]
) -> dict[str, list[Any]] | None:
    """The values of another choice that explain in which trials the parameter exists; None if there are none."""
    for parent, distribution in space.items():
        if (
            parent == name
            or not isinstance(distribution, CategoricalDistribution)
            or _content(distribution) is None
        ):
            continue
        if any(parent not in trial.params for trial in trials):
            continue
        on = {repr(trial.params[parent]) for trial in trials if name in trial.params}
        off = {repr(trial.params[parent]) for trial in trials if name not in trial.params}
        if not on & off:
            return {parent: [choice for choice in distribution.choices if repr(choice) in on]}
    return None


def _content(distribution: BaseDistribution) -> dict[str, Any] | None:
    """The distribution in a study file's syntax; None if that is not possible."""
    if isinstance(distribution, CategoricalDistribution):
        choices = list(distribution.choices)
        is_plain = all(map(_is_plain, choices)) and len(set(choices)) == len(choices)
        return {"choice": choices} if is_plain else None
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    kind = "int" if isinstance(distribution, IntDistribution) else "float"
    if kind == "int" and max(abs(distribution.low), abs(distribution.high)) > LARGEST_EXACT:
        return None
    content: dict[str, Any] = {kind: [distribution.low, distribution.high]}
    if distribution.log:
        content["log"] = True
    elif distribution.step is not None and (kind == "float" or distribution.step != 1):
        content["step"] = distribution.step
    return content


def _is_name(name: str) -> bool:
    try:
        return bool(check_parameter_name(name))
    except ValueError:
        return False


def _is_plain(choice: Any) -> bool:
    """Whether a study file can have the choice."""
    if isinstance(choice, str):
        return storable(choice) == choice
    if isinstance(choice, int):
        return abs(choice) < 2**63
    return choice is None or (isinstance(choice, float) and math.isfinite(choice))
