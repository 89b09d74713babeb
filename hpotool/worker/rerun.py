"""Runs the trial of a recipe again, without a database, as a worker would."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
from optuna.trial import TrialState

from hpotool.study.file.reader import read_study_data
from hpotool.study.origins.recipe import Recipe
from hpotool.study.phase import PHASE_ATTRIBUTE
from hpotool.study.spec import Direction, PrunerSpec
from hpotool.worker.attempt.runner import AttemptResult, AttemptRunner
from hpotool.worker.checkpoints.location import CheckpointLocation
from hpotool.worker.checkpoints.store import CheckpointStore


class PruneAt(optuna.pruners.BasePruner):
    """Prunes at the step at which the trial was pruned, whatever other trials there were."""

    def __init__(self, step: int) -> None:
        self._step = step

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        """Whether it has reported that step."""
        return trial.last_step is not None and trial.last_step >= self._step


@dataclass(frozen=True)
class Rerun:
    """What the run gave: how it ended, its values by metric, its reports by step."""

    result: AttemptResult
    values: Mapping[str, float]
    reports: Mapping[str, float]


def rerun(recipe: Recipe) -> Rerun:
    """Run the trial here and now, in a folder for checkpoints of its own.

    Raises:
        InputError: the objective cannot be imported or started.
    """
    spec = replace(read_study_data(recipe.study), pruner=PrunerSpec())
    trial = _same_trial(recipe, [metric.direction for metric in spec.metrics])
    with tempfile.TemporaryDirectory(prefix="hpotool-reproduce-") as folder:
        location = CheckpointLocation.parse(str(Path(folder, "checkpoints")))
        store = CheckpointStore(location, spec, Path(folder, "copies"))
        with AttemptRunner(spec, Path(folder, "logs"), checkpoints=store) as runner:
            runner.start()
            with warnings.catch_warnings():
                # As in a worker. Choices that are lists come back equal.
                warnings.filterwarnings("ignore", message="Choices for a categorical", category=UserWarning)
                result = runner.run(trial, seed=recipe.seed, root_number=recipe.number)
    names = [metric.name for metric in spec.metrics]
    reports = trial._cached_frozen_trial.intermediate_values
    values = dict(zip(names, result.values or (), strict=False))
    return Rerun(result, values, {str(step): value for step, value in reports.items()})


def _same_trial(recipe: Recipe, directions: list[Direction]) -> optuna.Trial:
    """A trial with the number, the parameters and the phase of the one that is to be run again."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    is_pruned = recipe.state == TrialState.PRUNED.name and recipe.last_step is not None
    pruner = PruneAt(recipe.last_step or 0) if is_pruned else optuna.pruners.NopPruner()
    study = optuna.create_study(
        directions=directions, pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.add_trials([optuna.trial.create_trial(state=TrialState.FAIL) for _ in range(recipe.number)])
    study.enqueue_trial(dict(recipe.params))
    asked = study.ask()
    if recipe.reevaluation is None:
        return asked
    study._storage.set_trial_system_attr(asked._trial_id, PHASE_ATTRIBUTE, dict(recipe.reevaluation))
    return optuna.Trial(study, asked._trial_id)
