"""A pool's worker: serves several studies in turn in this process, until there is a reason to leave."""

from __future__ import annotations

from contextlib import closing

from hpotool.errors import InputError, NotFoundError, paste
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.schema import check_schema
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.quarantines import note_device_in_pool
from hpotool.storage.pools.places import list_places
from hpotool.storage.pools.turns import PoolStudy
from hpotool.study.file.grammar.values import POOL_NAME
from hpotool.worker.log import log_event
from hpotool.worker.loop import Departure
from hpotool.worker.pool.open_studies import OpenStudies
from hpotool.worker.pool.open_study import OpenStudy
from hpotool.worker.pool.pool_loop import PoolLoop
from hpotool.worker.pool.pool_membership import PoolMembership
from hpotool.worker.serving.context import WorkerContext
from hpotool.worker.serving.options import WorkerOptions


def run_pool_worker(url: DatabaseUrl, pool: str, options: WorkerOptions, *, stays: bool = False) -> Departure:
    """Serve the studies of a pool in this process until there is a reason to leave; return the reason.

    A study that cannot run here is left to other workers. ``stays``: wait for more when every study is done.

    Raises:
        InputError: no study can ever name such a pool.
        NotFoundError: no study is in the pool, and the worker is not to wait for one.
        GaveUpError: the database outage lasted too long.
    """
    check_pool_name(pool)
    with closing(Connection(url)) as connection:
        check_schema(connection)
        if not stays:
            _check_pool(connection, pool)

    def open_study(study_id: int, known: PoolStudy) -> OpenStudy:
        return OpenStudy(worker, study_id, known, membership)

    worker = WorkerContext.create(
        url,
        options,
        lambda outcome, reason, grace: studies.stop(outcome, reason, grace),
        lambda run, worker_id, change, reason: note_device_in_pool(run, pool, worker_id, change, reason),
    )
    storage, pulse = worker.storage, worker.pulse
    studies = OpenStudies(storage, open_study)
    membership = PoolMembership(
        storage,
        pool,
        worker.stopping,
        studies.stop_attempt,
        studies.has_checkpoint,
        interval=pulse.interval,
        grace=pulse.grace,
        hand_back=options.grace,
        more_steps={"side processes": studies.step, **worker.device_steps},
        waits=studies.waits,
        devices=worker.device_uuids,
    )
    with worker.stopping.on_signals():
        try:
            with membership:
                said = f"{worker.worker_id} works in pool {pool} ({options.slot.label})"
                log_event("ready", said, worker=worker.worker_id, pool=pool)
                loop = PoolLoop(
                    pool, storage, studies, membership, worker.stopping, pulse.interval / 2, stays=stays
                )
                departure = loop.run()
                membership.end_reason = departure.reason
        finally:  # after it has left, so that the notifiers of its studies notice if it was the last worker
            studies.close(membership.has_study_work_left)
    return worker.leave(departure)


def check_pool_name(pool: str) -> None:
    """Refuse a name that a study file refuses, too.

    Raises:
        InputError: it is one.
    """
    try:
        POOL_NAME.check(pool)
    except ValueError as error:
        raise InputError(str(error), "hpotool pools lists them") from None


def _check_pool(connection: Connection, pool: str) -> None:
    """Refuse a pool that no study is in: most likely, its name is misspelt."""
    if list_places(connection.run, 0.0, pool=pool):
        return
    known = sorted({place.pool for place in list_places(connection.run, 0.0)})
    there_are = f"; there are {', '.join(known)}" if known else ""
    raise NotFoundError(
        f"no study is in pool {pool!r}{there_are}",
        f"write pool: {pool} into a study file, or wait for one: {paste('worker', '--pool', pool, '--stay')}",
    )
