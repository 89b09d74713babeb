"""The recipe of one trial, read from the database; refused where a run could not give the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpotool import __version__
from hpotool.analysis.origins.lineage import read_lineage
from hpotool.analysis.results import metric_names
from hpotool.errors import InputError, NotFoundError, paste
from hpotool.storage.control.creation import find_study_id, read_spec
from hpotool.storage.control.studies import list_attempts
from hpotool.storage.control.taken_over import TAKEN_FROM
from hpotool.storage.database.connection import Connection
from hpotool.storage.fleet.reuse import REUSED
from hpotool.study.branch import Branch
from hpotool.study.file.resolved import to_document
from hpotool.study.origins.recipe import Recipe
from hpotool.study.phase import PHASE_ATTRIBUTE, Reevaluation
from hpotool.study.rules.replicates import point_key
from hpotool.study.seeds import seed_for_trial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna import Study
    from optuna.trial import FrozenTrial

    from hpotool.study.spec import StudySpec


def read_recipe(connection: Connection, study: Study, number: int) -> Recipe:
    """Return the recipe of a trial of a study that was loaded with the trials beside its search.

    Raises:
        NotFoundError: there is no such trial.
        InputError: it cannot be reproduced; the error says why.
    """
    trials = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
    if number not in trials:
        raise NotFoundError(
            f"study {study.study_name!r} has no trial {number}", paste("trials", "--study", study.study_name)
        )
    trial, name = trials[number], study.study_name
    _refuse_unfinished(trial, name)
    _refuse_elsewhere(trial, name)
    _refuse_reused(connection, trial)
    _, spec = read_spec(connection, name)
    _refuse_copied(trial, trials, spec, name)
    found = read_lineage(connection, name, number).origins
    code = found[0].contents.get("code") if found else None
    attempts = list_attempts(connection, name, number).get(number, [])
    return Recipe(
        hpotool=__version__,
        study=to_document(spec),
        number=number,
        params=dict(trial.params),
        seed=_seed(spec, trial),
        reevaluation=trial.system_attrs.get(PHASE_ATTRIBUTE),
        state=trial.state.name,
        outcome=attempts[-1]["outcome"] if attempts else None,
        values=dict(zip(metric_names(study), trial.values or (), strict=False)),
        reports={str(step): value for step, value in sorted(trial.intermediate_values.items())},
        code=_known_code(code, number),
        data=found[0].contents.get("data"),
        environment=found[0].contents.get("environment"),
    )


def _known_code(code: Mapping[str, Any] | None, number: int) -> Mapping[str, Any]:
    if code is None:
        raise InputError(
            f"the code of trial {number} was not recorded: an older hpotool ran it, or it was imported",
            "the best that can be done: hpotool export params",
        )
    if code.get("changes") and not code.get("diff"):
        raise InputError(
            f"trial {number} ran with uncommitted changes that were too large to be stored ({code['changes']})",
            f"commit before you run; the commit below them is {code['commit'][:12]}",
        )
    return code


def _refuse_unfinished(trial: FrozenTrial, name: str) -> None:
    if not trial.state.is_finished():
        raise InputError(
            f"trial {trial.number} is {trial.state.name}; it can be reproduced when it has ended",
            paste("show", str(trial.number), "--study", name),
        )


def _refuse_elsewhere(trial: FrozenTrial, name: str) -> None:
    taken = trial.system_attrs.get(TAKEN_FROM)
    if taken is not None:
        raise InputError(
            f"trial {trial.number} ran as trial {taken['number']} of study {taken['study']!r}",
            paste("reproduce", str(taken["number"]), "--study", taken["study"]),
        )
    branch = Branch.of(trial.system_attrs)
    if branch is not None:
        raise InputError(
            f"trial {trial.number} continues the checkpoint of trial {branch.source}, so its value depends on "
            "more than its parameters",
            f"its parameters: {paste('export', 'params', '--study', name, '--trial', str(trial.number))}",
        )


def _refuse_reused(connection: Connection, trial: FrozenTrial) -> None:
    """With ``reuse: true`` it has the result of another study's trial, whose packages and GPUs were other ones."""
    reused = trial.system_attrs.get(REUSED)
    if reused is None:
        return
    number, study = str(reused["trial"]), reused["study"]
    try:
        find_study_id(connection, study)
    except NotFoundError:
        hint = f"study {study!r} does not exist any more; run its point again: hpotool enqueue"
    else:
        hint = paste("reproduce", number, "--study", study)
    raise InputError(
        f"trial {trial.number} was not run: it has the result of trial {number} of study {study!r}", hint
    )


def _refuse_copied(trial: FrozenTrial, trials: Mapping[int, FrozenTrial], spec: StudySpec, name: str) -> None:
    """With ``duplicates: skip``, a repeated point has the value of its first trial, which had another seed."""
    if spec.duplicates != "skip":
        return
    point = point_key(trial.params, trial.distributions)
    for number in sorted(trials):
        other = trials[number]
        is_same = other.state.is_finished() and point_key(other.params, other.distributions) == point
        if number < trial.number and is_same and other.values == trial.values and other.values is not None:
            raise InputError(
                f"trial {trial.number} was not run: it has the result of trial {number}, which is the same point",
                paste("reproduce", str(number), "--study", name),
            )


def _seed(spec: StudySpec, trial: FrozenTrial) -> int | None:
    reevaluation = Reevaluation.of(trial.system_attrs)
    first = int(trial.system_attrs.get("failed_trial", trial.number))
    number = first if reevaluation is None else reevaluation.seed_number
    return None if spec.sampler.seed is None else seed_for_trial(spec.sampler.seed, number)
