"""How a study is searched, and why: the explanation that ``hpotool check`` and ``hpotool show`` give.

It describes the behaviour of ``hpotool.search.auto``, and a test checks that the two agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hpotool.study.rules.grid import count_points
from hpotool.study.spec import StudySpec
from hpotool.study.wording import count_of

STARTUP_TRIALS = 10  # the number of finished trials before ``auto`` uses a model
_IN_TURNS = "a Gaussian process and TPE in turns"
_STRENGTHS = "the one knows where an improvement is likely, the other looks where it may be wrong"
_NAMED = "the study file names it"


@dataclass(frozen=True)
class SamplerChoice:
    """The method that proposes a study's points, and the reasons, each a clause."""

    chosen: str
    reasons: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The choice and its reasons in one sentence."""
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
    """Return how the study is searched; ``workers`` is its current number of workers."""
    if spec.population is not None:
        size, interval = spec.population.population_size, spec.population.interval
        reason = f"{size} members, {count_of(interval, 'step')} per trial, and the worst continue from the best"
        return SamplerChoice("population based training", (reason,))
    if spec.sampler.name != "auto":
        return SamplerChoice(spec.sampler.name, (_NAMED,))
    startup = int(spec.sampler.arguments.get("n_startup_trials", STARTUP_TRIALS))
    # The sampler proposes only a tiered study's first tier; the other tiers continue it.
    trials = spec.tiers[0].trials if spec.tiers else spec.budget.trials
    if trials is not None and trials <= startup:
        what = "first tier" if spec.tiers else "budget"
        reason = f"the {what} of {count_of(trials, 'trial')} ends before a model is used, which is after {startup}"
        return SamplerChoice("points that keep their distance", (reason,))
    return _choose_in_turns(spec, trials, workers)


def _choose_in_turns(spec: StudySpec, trials: int | None, workers: int) -> SamplerChoice:
    reasons = [_STRENGTHS]
    conditional = [parameter.name for parameter in spec.search_space if parameter.when]
    size = count_points([parameter.distribution for parameter in spec.search_space])
    if len(spec.metrics) > 1:
        reasons.append(f"each trial weights the {len(spec.metrics)} metrics differently, to find the whole front")
    if spec.constraints:
        names = _list([constraint.name for constraint in spec.constraints])
        reasons.append(f"a model for each constraint predicts where it is met: {names}")
    if not spec.search_space:
        reasons.append("the first trials show which parameters the objective suggests")
    elif conditional:  # there are fewer points than the product of the parameters' numbers of values
        reasons.append(
            f"one model covers all parameters, including those that only some trials have: {_list(conditional)}"
        )
    elif size is not None and trials is not None and size <= trials:
        reasons.append(
            f"{count_of(trials, 'trial is', 'trials are')} enough for each of the {count_of(size, 'point')}"
        )
    if workers > 1:
        reasons.append(f"with {workers} workers, each is sent away from the others' running trials")
    return SamplerChoice(_IN_TURNS, tuple(reasons))


def _list(names: Sequence[str], most: int = 5) -> str:
    shown = [*names[:most], *(["…"] if len(names) > most else [])]
    return ", ".join(shown)
