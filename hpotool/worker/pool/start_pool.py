"""Assembles a pool's worker and runs it: storage, membership, studies, loop."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from functools import partial

from hpotool.errors import InputError, NotFoundError
from hpotool.settings import read_pulse, writable_home_folder
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.schema import check_schema
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.quarantines import note_device_in_pool
from hpotool.storage.fleet.worker_storage import WorkerStorage
from hpotool.storage.pools.places import list_places
from hpotool.storage.pools.turns import PoolStudy
from hpotool.study.file.grammar.values import POOL_NAME
from hpotool.worker.allowed import Allowed
from hpotool.worker.gpu import DeviceMeter, Nvml, Slot
from hpotool.worker.log import log_event
from hpotool.worker.loop import Departure
from hpotool.worker.membership.identity import identify_worker
from hpotool.worker.parts import STOP_GRACE, announce, new_watch
from hpotool.worker.pool.open_studies import OpenStudies
from hpotool.worker.pool.open_study import OpenStudy, PoolSettings
from hpotool.worker.pool.pool_loop import PoolLoop
from hpotool.worker.pool.pool_membership import PoolMembership
from hpotool.worker.signals import Stopping


def run_pool_worker(
    url: DatabaseUrl,
    pool: str,
    slot: Slot,
    meter: DeviceMeter | None = None,
    *,
    checkpoints: str | None = None,
    grace: timedelta = STOP_GRACE,
    give_up_after: timedelta | None = None,
    has_breaker: bool = True,
    nvml: Nvml | None = None,
    allowed: Allowed = Allowed(),  # noqa: B008  (frozen)
    stays: bool = False,
) -> Departure:
    """Serve the studies of a pool in this process until there is a reason to leave; return the reason.

    ``stays``: wait for more when every study is done. The other arguments are those of `run_worker`. A study that
    cannot run here is left to other workers.

    Raises:
        InputError: no study can ever name such a pool.
        NotFoundError: no study is in the pool, and the worker is not to wait for one.
        GaveUpError: the database outage lasted too long.
    """
    check_pool_name(pool)
    pulse = read_pulse()
    stopping = Stopping()
    with closing(Connection(url)) as connection:
        check_schema(connection)
        if not stays:
            _check_pool(connection, pool)
    home = writable_home_folder()
    storage = WorkerStorage(url, identify_worker(slot.label), give_up_after=give_up_after)
    worker_id = storage.worker.worker_id

    def new_study(study_id: int, known: PoolStudy) -> OpenStudy:
        return OpenStudy(study_id, known, settings, storage, membership, stopping)

    studies = OpenStudies(storage, new_study)
    watch = new_watch(slot, nvml, studies.stop, partial(note_device_in_pool, storage.run, pool, worker_id))
    settings = PoolSettings(
        url,
        slot,
        meter,
        nvml,
        watch,
        home,
        checkpoints or str(home / "checkpoints"),
        grace,
        pulse,
        has_breaker,
        allowed,
    )
    membership = PoolMembership(
        storage,
        pool,
        stopping,
        studies.stop_attempt,
        studies.has_checkpoint,
        interval=pulse.interval,
        grace=pulse.grace,
        hand_back=grace,
        more_steps={"side processes": studies.step, **({} if watch is None else {"devices": watch.step})},
        waits=studies.waits,
        devices=[device.uuid for device in slot.devices],
    )
    stopping.announce = lambda level, name: announce(storage, level, name, grace)
    with stopping.on_signals():
        try:
            with membership:
                log_event("ready", f"{worker_id} works in pool {pool} ({slot.label})", worker=worker_id, pool=pool)
                loop = PoolLoop(pool, storage, studies, membership, stopping, pulse.interval / 2, stays=stays)
                departure = loop.run()
                membership.end_reason = departure.reason
        finally:  # after it has left: so the notifiers of its studies notice if it was the last one
            studies.close(membership.has_study_work_left)
    log_event("leave", f"leaving: {departure.reason}", worker=worker_id, reason=departure.reason)
    return departure


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
        f"write pool: {pool} into a study file, or wait for one: hpotool worker --pool {pool} --stay",
    )
