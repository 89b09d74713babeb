"""The importance of each parameter for each metric.

PED-ANOVA (arXiv 2304.10255; conditional parameters: arXiv 2601.20800) asks which parameters set the best tenth of
the trials apart; it is fast on any study and supports conditional parameters. fANOVA (Hutter et al., ICML 2014)
explains the variance of the metric over the whole space, for parameters that every trial has.

PED-ANOVA is the default, as in Optuna and its dashboard: it works for every study, is fast, and needs no other
package. With fewer than a hundred trials, the best tenth is only a handful, and the answer says so.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hpotool.analysis.results import complete_trials, direction_signs, metric_index, metric_names
from hpotool.analysis.scalar_choices import with_scalar_choices
from hpotool.errors import InputError, paste

if TYPE_CHECKING:
    from optuna import Study
    from optuna.importance import BaseImportanceEvaluator
    from optuna.trial import FrozenTrial

Evaluator = Literal["ped-anova", "fanova"]
FEWEST_TRIALS = 2
_ENOUGH_TRIALS: Mapping[Evaluator, int] = {"ped-anova": 100, "fanova": 30}
_NAMES: Mapping[Evaluator, str] = {"ped-anova": "PED-ANOVA", "fanova": "fANOVA"}


@dataclass(frozen=True)
class Importance:
    """The importance of each parameter for one metric: not negative, with sum 1, greatest first.

    Attributes:
        trials: the number of complete trials with a finite value that were used.
    """

    metric: str
    importance: Mapping[str, float]
    evaluator: Evaluator = "ped-anova"
    trials: int = 0

    @property
    def title(self) -> str:
        """The heading, for people."""
        return f"importance for {self.metric} ({_NAMES[self.evaluator]}, {self.trials} trials)"

    @property
    def warning(self) -> str | None:
        """Why the answer is uncertain; None if there were enough trials."""
        if self.trials >= _ENOUGH_TRIALS[self.evaluator]:
            return None
        if self.evaluator == "fanova":
            return f"{self.trials} trials are few: the order may still change"
        best = max(1, self.trials // 10)
        return (
            f"the best tenth of {self.trials} trials is {best}: the order may still change; see --evaluator fanova"
        )

    def as_data(self) -> dict[str, Any]:
        """Return JSON data: ``{"metric", "importance": {param: x}, "evaluator", "trials", "warning"}``."""
        return {
            "metric": self.metric,
            "importance": dict(self.importance),
            "evaluator": self.evaluator,
            "trials": self.trials,
            "warning": self.warning,
        }


def find_importance(
    study: Study, metric: str | None = None, evaluator: Evaluator = "ped-anova"
) -> tuple[Importance, ...]:
    """Return the importance of the parameters for one metric, or for each of them.

    Raises:
        NotFoundError: the study has no such metric.
        InputError: the trials cannot answer the question; the message says why.
    """
    names = metric_names(study)
    indices = [metric_index(study, metric)] if metric else range(len(names))
    return tuple(_weigh(study, index, names[index], evaluator) for index in indices)


def _weigh(study: Study, index: int, metric: str, evaluator: Evaluator) -> Importance:
    finite = [trial for trial in complete_trials(study) if math.isfinite(trial.values[index])]
    _check_trials(study.study_name, metric, finite, index)
    return Importance(metric, _weigh_parameters(study, index, finite, evaluator), evaluator, len(finite))


def _weigh_parameters(
    study: Study, index: int, finite: Sequence[FrozenTrial], evaluator: Evaluator
) -> dict[str, float]:
    varied, constant = _split_parameters(finite, evaluator)
    if not varied:
        raise InputError(
            f"no parameter of study {study.study_name!r} has more than one value"
            + (" and occurs in every trial" if evaluator == "fanova" else ""),
            "use --evaluator ped-anova, which supports conditional parameters" if evaluator == "fanova" else None,
        )

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
                "use --evaluator ped-anova" if evaluator == "fanova" else None,
            ) from error
    ranked = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    return {name: float(weight) for name, weight in ranked} | dict.fromkeys(constant, 0.0)


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
            f"({trials[0].values[index]:g}), so no parameter made a difference"
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
    names = sorted(name for name in values if evaluator == "ped-anova" or name not in conditional)
    varied = [name for name in names if len(values[name]) > 1 or name in conditional]
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
