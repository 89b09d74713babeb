"""Which search a study gets, and why: what ``hpotool check`` and ``hpotool show`` say about ``sampler``.

What is said of ``auto`` here is what ``hpotool.search.auto`` does; its tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hpotool.study.rules.grid import count_points
from hpotool.study.spec import StudySpec

STARTUP_TRIALS = 10  # how many trials finish before ``auto`` asks a model
_IN_TURNS = "a Gaussian process and TPE in turns"
_STRENGTHS = "the one knows where an improvement is likely, the other looks where it may be wrong"
_NAMED = "the study file names it"


@dataclass(frozen=True)
class SamplerChoice:
    """What proposes the points of a study, and the reasons for it, each a clause."""

    chosen: str
    reasons: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Both in one sentence."""
        return f"{self.chosen}: {'; '.join(self.reasons)}"

    @property
    def summary(self) -> str:
        """What was chosen, with those reasons only that not every such study has."""
        particular = [reason for reason in self.reasons if reason not in (_STRENGTHS, _NAMED)]
        return f"{self.chosen}: {'; '.join(particular)}" if particular else self.chosen

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"chosen": self.chosen, "why": list(self.reasons)}


def choose_sampler(spec: StudySpec, workers: int = 0) -> SamplerChoice:
    """Return what searches the study; ``workers`` is how many of them work on it now."""
    if spec.population is not None:
        size, interval = spec.population.population_size, spec.population.interval
        reason = f"{size} members, {interval} steps a trial, and the worst go on from the best"
        return SamplerChoice("population based training", (reason,))
    if spec.sampler.name != "auto":
        return SamplerChoice(spec.sampler.name, (_NAMED,))
    startup = int(spec.sampler.arguments.get("n_startup_trials", STARTUP_TRIALS))
    # The sampler proposes a tiered study's first tier; the others go on from it.
    trials = spec.tiers[0].trials if spec.tiers else spec.budget.trials
    if trials is not None and trials <= startup:
        what = "first tier" if spec.tiers else "budget"
        reason = f"the {what} of {trials} trials ends before a model is asked, after {startup}"
        return SamplerChoice("points that keep their distance", (reason,))
    return _choose_in_turns(spec, trials, workers)


def _choose_in_turns(spec: StudySpec, trials: int | None, workers: int) -> SamplerChoice:
    reasons = [_STRENGTHS]
    conditional = [parameter.name for parameter in spec.search_space if parameter.when]
    size = count_points([parameter.distribution for parameter in spec.search_space])
    if len(spec.metrics) > 1:
        reasons.append(f"each trial gives the {len(spec.metrics)} metrics other weights, to find all of the front")
    if spec.constraints:
        names = _list([constraint.name for constraint in spec.constraints])
        reasons.append(f"a model for each constraint says where it is met: {names}")
    if not spec.search_space:
        reasons.append("the objective suggests its parameters, which the first trials show")
    elif conditional:  # the points are fewer than the product of what each parameter can be
        reasons.append(
            f"one model has all parameters, and so those that only some trials have, {_list(conditional)}"
        )
    elif size is not None and trials is not None and size <= trials:
        reasons.append(f"{trials} trials are enough for each of the {size} points")
    if workers > 1:
        reasons.append(f"with {workers} workers, each is sent where no other measures")
    return SamplerChoice(_IN_TURNS, tuple(reasons))


def _list(names: Sequence[str], most: int = 5) -> str:
    shown = [*names[:most], *(["…"] if len(names) > most else [])]
    return ", ".join(shown)
