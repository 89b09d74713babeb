"""Gathers the facts and has every check look at them."""

from __future__ import annotations

from hpotool.doctor.database import DATABASE, Database
from hpotool.doctor.finding import Found
from hpotool.doctor.gpus import GPUS, Gpus
from hpotool.doctor.machine import MACHINE, Machine
from hpotool.doctor.study import STUDY, Study
from hpotool.errors import HpotoolError
from hpotool.launch.environment import is_loopback
from hpotool.settings import Pulse, home_folder, read_pulse
from hpotool.storage.control.creation import read_spec
from hpotool.storage.control.health import read_database_health, read_study_health
from hpotool.storage.control.launches import list_launches
from hpotool.storage.control.orders import read_settings
from hpotool.storage.control.studies import has_table, list_studies, read_progress
from hpotool.storage.control.versions import running_versions
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.schema import check_schema, numbers_given_twice
from hpotool.worker.gpu import Nvml


def examine_machine(nvml: Nvml | None = None) -> list[Found]:
    """This machine and its GPUs."""
    return [*MACHINE.examine(Machine(home_folder())), *GPUS.examine(Gpus(nvml or Nvml()))]


def examine_database(connection: Connection | None, error: HpotoolError | None = None) -> list[Found]:
    """The database; ``error`` says why there is no connection to try."""
    return DATABASE.examine(_ask(connection, error))


def examine_study(connection: Connection, name: str, checkpoints: str | None = None) -> list[Found]:
    """One study.

    Raises:
        NotFoundError: it does not exist, or has no settings.
        HpotoolError: the database cannot be asked about it.
    """
    pulse = _pulse()
    study_id, spec = read_spec(connection, name)
    settings = read_settings(connection.run, study_id)
    progress = read_progress(connection, list_studies(connection, name)[0])
    health = read_study_health(
        connection.run,
        study_id,
        silent_after_s=2 * pulse.interval.total_seconds(),
        gone_after_s=2 * pulse.grace.total_seconds(),
    )
    return STUDY.examine(
        Study(
            name,
            progress.state,
            progress.reason,
            spec,
            settings.versions if settings else {},
            running_versions(spec.objective),
            health,
            list_launches(connection.run, study_id),
            pulse,
            checkpoints,
        )
    )


def _ask(connection: Connection | None, error: HpotoolError | None) -> Database:
    pulse = _pulse()
    if connection is None:
        return Database(None, pulse, error)
    url = connection.url
    is_local = is_loopback(url.url.host or str(url.url.query.get("host", "")))
    try:
        connection.run("SELECT 1")
    except HpotoolError as away:
        return Database(url, pulse, away, is_local=is_local)
    if not (has_table(connection, "hpotool.schema_version") and has_table(connection, "trials")):
        health = read_database_health(connection)
        return Database(url, pulse, health=health, is_local=is_local, has_tables=False)
    try:
        check_schema(connection)
    except HpotoolError as other:
        return Database(url, pulse, schema_error=other, is_local=is_local)
    return Database(
        url,
        pulse,
        health=read_database_health(connection),
        numbers_twice=numbers_given_twice(connection),
        is_local=is_local,
    )


def _pulse() -> Pulse:
    """The pulse in force; the default where that makes no sense, which a check of its own says."""
    try:
        return read_pulse()
    except HpotoolError:
        return Pulse()
