"""Studies in a script: Optuna's own `Study`, with the sampler and pruner from the study file.

Promise: ``study.optimize`` in a script samples and prunes exactly as a worker does, at the same cost.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpotool.api.database import find_study, resolve_url
from hpotool.errors import InputError
from hpotool.origins.study import remember_origin
from hpotool.storage.control.creation import create_or_resume, read_spec_if_any
from hpotool.storage.database.connection import Connection
from hpotool.storage.optuna.postgres import PostgresStorage
from hpotool.study.file.reader import read_document
from hpotool.study.yaml.assignments import assign
from hpotool.study.yaml.document import Place, Problems, from_plain, parse_yaml
from hpotool.user_files import read_text_file

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

    from hpotool.storage.database.url import DatabaseUrl
    from hpotool.storage.optuna.heartbeats import StaleTrialCallback
    from hpotool.study.spec import StudySpec

logger = logging.getLogger("hpotool")


def open_storage(
    url: str | None = None,
    *,
    heartbeat_interval: int | None = None,
    grace_period: int | None = None,
    heartbeat_stale_trial_callback: StaleTrialCallback | None = None,
) -> PostgresStorage:
    """Open a Postgres database as an Optuna storage: the one at ``url``, else the one that ``hpotool`` uses.

    It can be used in plain Optuna scripts: ``optuna.load_study(storage=hpotool.open_storage(), …)``. Missing
    Optuna tables are created. The other arguments are those of Optuna's ``RDBStorage``. Its studies are
    their searches: replicates and final trainings are not among ``study.trials``.

    Raises:
        InputError: ``url`` is not a Postgres URL, or its tables belong to another version of Optuna.
        DatabaseUnreachableError: the database does not answer, or refuses the login.
    """
    return PostgresStorage(
        resolve_url(url, logger.info),
        heartbeat_interval=heartbeat_interval,
        grace_period=grace_period,
        heartbeat_stale_trial_callback=heartbeat_stale_trial_callback,
        hides_reevaluations=True,
    )


def load_study(
    study: str | None = None,
    storage: str | PostgresStorage | None = None,
    *,
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
) -> Study:
    """Load a study as Optuna's `Study`, with its own sampler and pruner, seeded as on every worker.

    A study created by plain Optuna has no settings and gets fast versions of Optuna's defaults.

    Args:
        study: its name. Default: HPOTOOL_STUDY, or the only study in the database.
        storage: the database's URL, or an open storage. Default: the database that ``hpotool`` uses.
        sampler: used unchanged instead of the study's own sampler.
        pruner: used unchanged instead of the study's own pruner.

    Raises:
        NotFoundError: there is no such study.
        InputError: no name is given and there are several studies, or the sampler or pruner cannot be created.
        DatabaseUnreachableError: the database does not answer, or refuses the login.
    """
    import optuna

    opened = storage if isinstance(storage, PostgresStorage) else open_storage(storage)
    chosen = choose_study(study, opened)
    loaded = optuna.load_study(study_name=chosen.name, storage=opened, sampler=sampler, pruner=pruner)
    spec = read_spec_if_any(chosen.connection, chosen.name)
    chosen.connection.close()
    if sampler is None:
        loaded.sampler = _sampler(spec, loaded.sampler)
    if pruner is None:
        loaded.pruner = _pruner(spec, loaded.pruner)
    return loaded


def create_study(file: str | Path | Mapping[str, Any], /, storage: str | None = None, **overrides: Any) -> Study:
    """Create or resume the study that a file or a mapping describes, and load it like `load_study`.

    Args:
        file: the path of a study file, or its content as dicts, lists, strings and numbers.
        storage: the database's URL. Default: the database that ``hpotool`` uses.
        overrides: values that override the file; two underscores stand for a dot: ``budget__trials=50``.

    Raises:
        NotFoundError: there is no such file.
        StudyFileError: the file has mistakes; the error lists all of them.
        InputError: the study exists and differs in settings that cannot change; nothing was written.
        DatabaseUnreachableError: the database does not answer, or refuses the login.
    """
    spec = _read_study(file, overrides)
    url = resolve_url(storage, logger.info)
    with closing(Connection(url)) as connection:
        done = create_or_resume(connection, spec, "hpotool.create_study")
        differences = remember_origin(connection, done.spec, anew=bool(done.changes))
    for difference in differences:
        logger.warning("study %r differs here: %s", spec.name, difference)
    for change in done.changes:
        logger.info("study %r changed: %s", spec.name, change)
    return load_study(done.spec.name, url.libpq)


@dataclass(frozen=True)
class ChosenStudy:
    """An existing study, and a connection to its database."""

    connection: Connection
    name: str


def choose_study(study: str | Study | None, storage: str | PostgresStorage | None) -> ChosenStudy:
    """The chosen study: an open one, one by name, HPOTOOL_STUDY, or the only study.

    Raises:
        NotFoundError: there is no such study.
        InputError: no name is given and there are several studies.
    """
    if study is not None and not isinstance(study, str):
        storage = study._storage if isinstance(study._storage, PostgresStorage) else storage
        study = study.study_name
    connection = Connection(database_url(storage))
    name = study or os.environ.get("HPOTOOL_STUDY")
    return ChosenStudy(connection, find_study(connection, name, lambda known: repr(known)).name)


def database_url(storage: str | PostgresStorage | None) -> DatabaseUrl:
    """The chosen database: an open one, one by URL, or the one that ``hpotool`` uses."""
    return storage.url if isinstance(storage, PostgresStorage) else resolve_url(storage, logger.info)


def _sampler(spec: StudySpec | None, default: BaseSampler) -> BaseSampler:
    from hpotool.search.samplers import sampler_for_worker
    from hpotool.search.tpe import fast_sampler

    return fast_sampler(default) if spec is None else sampler_for_worker(spec.sampler, spec.search_space)


def _pruner(spec: StudySpec | None, default: BasePruner) -> BasePruner:
    from hpotool.search.pruning.fast_pruners import fast_pruner
    from hpotool.search.pruning.pruners import pruner_for_worker

    return fast_pruner(default) if spec is None else pruner_for_worker(spec.pruner)


def _read_study(file: str | Path | Mapping[str, Any], overrides: Mapping[str, Any]) -> StudySpec:
    problems = Problems()
    try:
        if isinstance(file, Mapping):
            document = from_plain(file, Place())
        else:
            document = parse_yaml(read_text_file(Path(file), "study file", hint=_where_looked), str(file))
        for key, value in overrides.items():
            place = Place(f"{key}={value!r}")
            document = assign(document, key.replace("__", "."), from_plain(value, place), problems)
        return read_document(document, problems)
    except TypeError as error:
        raise InputError(str(error), "use dicts, lists, strings and plain numbers") from None


def _where_looked() -> str:
    return f"it was looked up in {Path.cwd()}"
