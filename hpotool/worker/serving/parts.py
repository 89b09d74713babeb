"""Small collaborators of a served study that are functions or made of few parts."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from hpotool.errors import NotFoundError
from hpotool.search.every_point import WholeGrid, WholeTree
from hpotool.search.samplers import SeededSampler
from hpotool.storage.control.confirmations import order_next_round
from hpotool.storage.control.versions import running_versions, version_differences
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.worker_storage import WorkerStorage
from hpotool.storage.optuna.postgres import PostgresStorage
from hpotool.study.spec import StudySpec
from hpotool.study.wording import count_of
from hpotool.worker.attempt.running_attempt import AttemptResult
from hpotool.worker.branches import Branches, branching_rule
from hpotool.worker.log import log_event
from hpotool.worker.membership.launched import changed_code, launch_of_process
from hpotool.worker.origin import refusal
from hpotool.worker.points_left import PointsLeft


def forgive_nothing(result: AttemptResult) -> AttemptResult:
    """For a worker whose devices nobody watches."""
    return result


def open_search(url: DatabaseUrl, study_id: int) -> optuna.Study:
    """Open the study on a connection of its own, without the trials beside its search."""
    storage = PostgresStorage(url, hides_reevaluations=True)
    return optuna.load_study(study_name=storage.get_study_name_from_id(study_id), storage=storage)


def load_study(
    storage: WorkerStorage, study_id: int, sampler: BaseSampler, pruner: BasePruner | None
) -> optuna.Study:
    """Open the study by its id, whatever it is called by now.

    Raises:
        NotFoundError: it was deleted meanwhile, for example while its objective was imported.
    """
    while True:
        try:
            name = storage.get_study_name_from_id(study_id)
        except KeyError:
            raise NotFoundError("the study no longer exists", "hpotool studies") from None
        with suppress(KeyError):  # renamed in between
            return optuna.load_study(study_name=name, storage=storage, sampler=sampler, pruner=pruner)


def side_environment(url: DatabaseUrl) -> Mapping[str, str]:
    """The URL travels in the environment: an argument list is for everybody to read."""
    return {**os.environ, "HPOTOOL_STORAGE": url.libpq}


def before_claim(
    sampler: SeededSampler, storage: WorkerStorage, branches: Branches | None
) -> Callable[[optuna.Study], None]:
    """What is to be called before each claim: it queues branches, or says how many points are left."""
    if branches is not None:
        return branches.before_claim
    if isinstance(sampler.inner, (WholeGrid, WholeTree)):
        return PointsLeft(sampler.inner, storage).before_claim
    return lambda _: None


def new_branches(
    spec: StudySpec, sampler: SeededSampler, storage: WorkerStorage, worker_id: str
) -> Branches | None:
    """Queues the trials that go on from others; None if none do in this study."""
    rule = branching_rule(spec, sampler.inner)
    return None if rule is None else Branches(rule, storage.run, sampler.study_seed, worker_id)


def order_more(storage: WorkerStorage, study_id: int, spec: StudySpec, worker_id: str) -> bool:
    """Look whether what is being confirmed is decided; True if more replicates wait now."""
    signs = [-1.0 if metric.direction == "maximize" else 1.0 for metric in spec.metrics]
    numbers = order_next_round(storage.run, study_id, worker_id, signs)
    if numbers:
        log_event(
            "confirm",
            f"it is not decided yet: {count_of(len(numbers), 'more replicate waits', 'more replicates wait')}",
            trials=numbers,
        )
    return bool(numbers)


def compare_versions(spec: StudySpec, stored: Mapping[str, str]) -> None:
    """Report differences between this worker and the state in which the study was created.

    Raises:
        InputError: there are differences, and the study is strict.
    """
    found = version_differences(stored, running_versions(spec.objective))
    changed = changed_code(launch_of_process(), Path.cwd())
    found += [changed] if changed else []
    if found and spec.strict:
        raise refusal(found)
    for difference in found:
        log_event("version", difference, logging.WARNING)
