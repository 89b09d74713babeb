"""How much each parameter mattered for each metric, or for whether a trial failed, and how sure that is.

Three evaluators. A functional ANOVA with kernels, the default, explains the variance of the metric over the whole
space, says how sure each share is, and tells a parameter from one whose values are shuffled. PED-ANOVA (arXiv
2304.10255; conditional parameters: arXiv 2601.20800) asks which parameters set the best tenth of the trials apart.
fANOVA (Hutter et al., ICML 2014) is a forest's answer to the first one's question, for parameters that are part of
every trial. The last two are Optuna's own.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from hpotool.analysis.edges import Edge, find_edges
from hpotool.analysis.results import complete_trials, direction_signs, json_data, metric_index, metric_names
from hpotool.analysis.scalar_choices import with_scalar_choices
from hpotool.analysis.weighing.ablation import Change, find_ablation
from hpotool.analysis.weighing.evidence import weigh
from hpotool.analysis.weighing.table import Table, make_table
from hpotool.errors import InputError, paste
from hpotool.study.outcome import Blame, Outcome
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.importance import BaseImportanceEvaluator
    from optuna.trial import FrozenTrial

Evaluator = Literal["kernel-anova", "ped-anova", "fanova"]
DEFAULT: Evaluator = "kernel-anova"
FAILURES = "failures"  # what is explained where it is no metric
FEWEST_TRIALS = 2
_FEWEST_OF_A_KIND = 5  # failed trials, and others: of fewer, anything sets them apart
_ENOUGH_TRIALS: Mapping[Evaluator, int] = {"kernel-anova": 15, "ped-anova": 100, "fanova": 30}
_NAMES: Mapping[Evaluator, str] = {"kernel-anova": "kernel ANOVA", "ped-anova": "PED-ANOVA", "fanova": "fANOVA"}


@dataclass(frozen=True)
class Sureness:
    """How sure the shares are.

    Attributes:
        intervals: of each parameter, 90 % of its shares over resampled trials.
        random: the share of a column that has nothing to do with the metric, with its interval.
        untold: the parameters that cannot be told from such a column.
    """

    intervals: Mapping[str, tuple[float, float]]
    random: tuple[float, float, float]
    untold: tuple[str, ...]

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON data."""
        share, low, high = self.random
        return {
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
            "random": {"importance": share, "interval": [low, high]},
            "untold": list(self.untold),
        }


@dataclass(frozen=True)
class Importance:
    """The importance of each parameter for one metric: not negative, with sum 1, greatest first.

    Attributes:
        metric: its name, or ``failures``.
        trials: how many trials the answer comes from: complete ones with a finite value.
        sureness: None where the evaluator does not say.
        edges: where the best trial is at the edge of a range.
        ablation: from the baseline, or the first trial, to the best, a change at a time, as a model expects it.
        ablation_trials: the numbers of these two; None is the baseline.
        rarer: of failures, how many trials failed, or did not, where these are too few to say anything.
    """

    metric: str
    importance: Mapping[str, float]
    evaluator: Evaluator = DEFAULT
    trials: int = 0
    sureness: Sureness | None = None
    edges: tuple[Edge, ...] = ()
    ablation: tuple[Change, ...] = ()
    ablation_trials: tuple[int | None, int] | None = None
    rarer: int | None = None

    @property
    def title(self) -> str:
        """The heading, for people."""
        return f"importance for {self.metric} ({_NAMES[self.evaluator]}, {count_of(self.trials, 'trial')})"

    @property
    def ablation_title(self) -> str | None:
        """What the ablation goes from and to; None where there is none to tell."""
        if self.ablation_trials is None or len(self.ablation) < 2:
            return None
        first, best = self.ablation_trials
        start = "the baseline" if first is None else f"trial {first}, the first,"
        return f"from {start} to trial {best}, the best of the search, a change at a time"

    @property
    def warning(self) -> str | None:
        """Why the answer is uncertain; None if there were enough trials."""
        if self.rarer is not None:
            return f"only {self.rarer} of {self.trials} trials differ from the others: that may be chance"
        if self.trials >= _ENOUGH_TRIALS[self.evaluator]:
            return None
        if self.evaluator != "ped-anova":
            return f"{count_of(self.trials, 'trial is', 'trials are')} few: the order may still change"
        best = max(1, self.trials // 10)
        return f"the best tenth of {self.trials} trials is {best}: the order may still change"

    def as_data(self) -> dict[str, Any]:
        """Return JSON data: ``{"metric", "importance": {param: x}, "evaluator", "trials", "warning"}`` and, of
        ``kernel-anova``, ``"intervals"``, ``"random"``, ``"untold"``, ``"edges"`` and ``"ablation"``.
        """
        return {
            "metric": self.metric,
            "importance": dict(self.importance),
            "evaluator": self.evaluator,
            "trials": self.trials,
            "warning": self.warning,
            **({} if self.sureness is None else self.sureness.as_data()),
            "edges": [
                {"parameter": one.name, "value": one.value, "side": one.side, "range": [one.low, one.high]}
                for one in self.edges
            ],
            "ablation": {
                "trials": [number for number in self.ablation_trials or () if number is not None],
                "from_baseline": self.ablation_trials is not None and self.ablation_trials[0] is None,
                "path": json_data([change.as_data() for change in self.ablation]),
            },
        }


def find_importance(
    study: Study,
    metric: str | None = None,
    evaluator: Evaluator = DEFAULT,
    baseline: Mapping[str, Any] | None = None,
) -> tuple[Importance, ...]:
    """Return the importance of the parameters for one metric, or for each of them.

    The ablation starts at ``baseline`` where it names every parameter of some trial, else at the first trial.

    Raises:
        NotFoundError: the study has no such metric.
        InputError: the trials cannot answer the question; the message says why.
    """
    names = metric_names(study)
    indices = [metric_index(study, metric)] if metric else range(len(names))
    return tuple(_weigh(study, index, names[index], evaluator, baseline) for index in indices)


def explain_failures(study: Study, outcomes: Mapping[int, str | None]) -> Importance:
    """Return which parameters make trials fail.

    A trial counts as failed by ``outcomes``, how each trial's last attempt ended. An end that speaks against
    nobody, like a machine that was taken away, is left out.

    Raises:
        InputError: no trial failed, or all did.
    """
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.params and _has_ended(trial, outcomes)]
    failed = [float(trial.state.name == "FAIL") for trial in trials]
    if not 0 < sum(failed) < len(failed):
        whole = "every one" if failed and all(failed) else "none"
        raise InputError(
            f"of {count_of(len(trials), 'trial')} that ended, {whole} failed by its own doing, "
            "so nothing sets failures apart",
            paste("trials", "--study", study.study_name),
        )
    varied, constant = _split_parameters(trials, DEFAULT)
    _check_varied(study.study_name, varied, DEFAULT)
    found = _of_table(FAILURES, make_table(trials, failed, varied), constant, len(trials))
    rarer = int(min(sum(failed), len(failed) - sum(failed)))
    if rarer >= _FEWEST_OF_A_KIND or found.sureness is None:
        return found
    return replace(found, sureness=replace(found.sureness, untold=tuple(found.importance)), rarer=rarer)


def _has_ended(trial: FrozenTrial, outcomes: Mapping[int, str | None]) -> bool:
    if trial.state.name != "FAIL":
        return bool(trial.state.name in ("COMPLETE", "PRUNED"))
    outcome = outcomes.get(trial.number)
    return outcome is None or Outcome(outcome).facts.blames is not Blame.NOBODY


def _of_table(metric: str, table: Table, constant: Sequence[str], trials: int) -> Importance:
    found = weigh(table)
    order = sorted(range(len(table.names)), key=lambda place: (-found.shares[place], table.names[place]))
    shares = {table.names[place]: float(found.shares[place]) for place in order}
    intervals = {table.names[place]: (float(found.low[place]), float(found.high[place])) for place in order}
    untold = tuple(table.names[place] for place in order if not found.is_told[place])
    nothing = dict.fromkeys(constant, 0.0)
    return Importance(
        metric,
        shares | nothing,
        DEFAULT,
        trials,
        Sureness(intervals | dict.fromkeys(constant, (0.0, 0.0)), found.random, (*untold, *constant)),
    )


def _weigh_by_kernels(
    study: Study, index: int, metric: str, finite: Sequence[FrozenTrial], baseline: Mapping[str, Any] | None
) -> Importance:
    varied, constant = _split_parameters(finite, DEFAULT)
    _check_varied(study.study_name, varied, DEFAULT)
    table = make_table(finite, [trial.values[index] for trial in finite], varied)
    found = _of_table(metric, table, constant, len(finite))
    sign = direction_signs(study)[index]
    feasible = [trial for trial in finite if all(violation <= 0 for violation in trial.constraints.values())]
    if not feasible:
        return found
    best = min(feasible, key=lambda trial: (sign * trial.values[index], trial.number))
    start: int | None = finite[0].number
    params: Mapping[str, Any] = finite[0].params
    if baseline is not None and _is_whole(baseline, finite):
        start, params = None, baseline
    path = find_ablation(table, params, best.params, sign=sign)
    return replace(found, edges=find_edges(best), ablation=path, ablation_trials=(start, best.number))


def _is_whole(baseline: Mapping[str, Any], trials: Sequence[FrozenTrial]) -> bool:
    """Whether the baseline has a value for every parameter of some trial, each of a kind that the space has."""
    return any(
        trial.params.keys() <= baseline.keys()
        and all(_has_value(trial.distributions[name], baseline[name]) for name in trial.params)
        for trial in trials
    )


def _has_value(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a point can have that value: one outside of a range it can, a choice that is none it cannot."""
    try:
        distribution.to_internal_repr(value)
    except ValueError:
        return False
    return True


def _weigh(
    study: Study, index: int, metric: str, evaluator: Evaluator, baseline: Mapping[str, Any] | None
) -> Importance:
    finite = [trial for trial in complete_trials(study) if math.isfinite(trial.values[index])]
    _check_trials(study.study_name, metric, finite, index)
    if evaluator != DEFAULT:
        return Importance(metric, _weigh_parameters(study, index, finite, evaluator), evaluator, len(finite))
    return _weigh_by_kernels(study, index, metric, finite, baseline)


def _weigh_parameters(
    study: Study, index: int, finite: Sequence[FrozenTrial], evaluator: Evaluator
) -> dict[str, float]:
    varied, constant = _split_parameters(finite, evaluator)
    _check_varied(study.study_name, varied, evaluator)

    # Imported here, because it loads scikit-learn, which takes seconds.
    from optuna.importance import get_param_importances

    with warnings.catch_warnings():
        # The sign takes care of the warning about minimised targets; the warning about a condition that only one
        # trial met is obvious for a small study.
        warnings.simplefilter("ignore")
        try:
            weights = get_param_importances(
                with_scalar_choices(study),
                evaluator=_make_evaluator(evaluator),
                params=varied,
                target=_target(study, index),
            )
        except ImportError:
            raise InputError(
                "fANOVA needs scikit-learn, which is not installed",
                "pip install scikit-learn, or use --evaluator ped-anova",
            ) from None
        except (ValueError, AssertionError) as error:
            # fANOVA's forest does not accept numbers beyond 1e38, and finds negative variances for some smaller
            # ones.
            raise InputError(
                f"{evaluator} cannot rank the parameters of study {study.study_name!r}: "
                f"{str(error) or 'its arithmetic breaks down on these values'}",
                "use --evaluator ped-anova"
                if evaluator == "fanova"
                else f"its values: {paste('trials', '--study', study.study_name)}",
            ) from error
    ranked = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    return {name: float(weight) for name, weight in ranked} | dict.fromkeys(constant, 0.0)


def _check_varied(study_name: str, varied: Sequence[str], evaluator: Evaluator) -> None:
    if not varied:
        raise InputError(
            f"no parameter of study {study_name!r} has more than one value"
            + (" and occurs in every trial" if evaluator == "fanova" else ""),
            "use --evaluator ped-anova, which supports conditional parameters"
            if evaluator == "fanova"
            else f"its values: {paste('trials', '--study', study_name)}",
        )


def _check_trials(study_name: str, metric: str, trials: Sequence[FrozenTrial], index: int) -> None:
    if len(trials) < FEWEST_TRIALS:
        raise InputError(
            f"importance needs at least {FEWEST_TRIALS} complete trials with a finite {metric}; "
            f"study {study_name!r} has {len(trials)}",
            paste("status", "--study", study_name),
        )
    if len({trial.values[index] for trial in trials}) == 1:
        raise InputError(
            f"all {len(trials)} complete trials of study {study_name!r} have the same {metric} "
            f"({trials[0].values[index]:g}), so no parameter made a difference",
            paste("trials", "--study", study_name),
        )


def _split_parameters(trials: Sequence[FrozenTrial], evaluator: Evaluator) -> tuple[list[str], list[str]]:
    """Return the parameters that can be ranked, and those that always had the same value.

    A constant parameter has no importance, whatever an evaluator says. A conditional parameter with a constant
    value still exists or not, which only PED-ANOVA can rank.
    """
    values: dict[str, set[str]] = {}
    for trial in trials:
        for name, value in trial.params.items():
            values.setdefault(name, set()).add(json.dumps(value))  # a choice may be a list, which is not hashable
    conditional = {name for name in values if any(name not in trial.params for trial in trials)}
    names = sorted(name for name in values if evaluator != "fanova" or name not in conditional)
    is_weighed_as_there = evaluator == "ped-anova"
    varied = [name for name in names if len(values[name]) > 1 or (is_weighed_as_there and name in conditional)]
    return varied, [name for name in names if name not in varied]


def _target(study: Study, index: int) -> Callable[[FrozenTrial], float] | None:
    """Return the target to explain, lower is better; in Optuna, ``None`` stands for the only metric."""
    if len(study.directions) == 1:
        return None
    sign = direction_signs(study)[index]
    return lambda trial: sign * trial.values[index]


def _make_evaluator(evaluator: Evaluator) -> BaseImportanceEvaluator:
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

    return PedAnovaImportanceEvaluator() if evaluator == "ped-anova" else FanovaImportanceEvaluator(seed=0)
