"""Pools, quotas and usage from a script: the same that ``hpotool pools``, ``share``, ``quota`` and ``usage`` show.

Everything is returned as plain data, ready for a data frame or JSON.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

from hpotool.analysis.pace import GONE_AFTER_S
from hpotool.api.actor import current_actor
from hpotool.api.studies import choose_study, database_url
from hpotool.errors import InputError, NotFoundError, paste
from hpotool.storage.control.creation import change_spec
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.schema import check_schema
from hpotool.storage.optuna.postgres import PostgresStorage
from hpotool.storage.pools import accounts
from hpotool.storage.pools.places import Place, PoolWorkers, count_pool_workers, list_places
from hpotool.storage.pools.summary import Kind, sum_up
from hpotool.storage.pools.waiting import describe_place, is_waiting
from hpotool.study.file.grammar.values import OWNER_NAME
from hpotool.study.file.reader import change_share
from hpotool.study.units import format_duration, parse_duration

if TYPE_CHECKING:
    from types import EllipsisType

    from optuna import Study

Storage = str | PostgresStorage | None
_SHARE = ("pool", "priority", "weight", "max_running", "owner", "preempt")


def pools(pool: str | None = None, *, storage: Storage = None) -> list[dict[str, Any]]:
    """The pools, each with ``workers`` (alive), ``busy``, and ``studies``: their share, what runs, why they wait.

    Args:
        pool: only this one. Default: all.
        storage: the database's URL, or an open storage. Default: the database that ``hpotool`` uses.

    Raises:
        NotFoundError: no study names this pool, and no worker serves it.
    """
    with closing(_connect(storage)) as connection:
        return pools_as_data(*read_pools(connection, pool))


def share(
    study: str | Study | None = None,
    *,
    pool: str | EllipsisType | None = ...,
    priority: int | EllipsisType | None = ...,
    weight: float | EllipsisType | None = ...,
    max_running: int | EllipsisType | None = ...,
    owner: str | EllipsisType | None = ...,
    preempt: bool | EllipsisType | None = ...,
    storage: Storage = None,
) -> dict[str, Any]:
    """Change how a study shares a fleet with others, from the next trial on; return its settings.

    What is not given stays as it is; None is the default again (no pool, no limit, no owner).

    Raises:
        NotFoundError: there is no such study, or it has no study file.
        StudyFileError: a value is not valid.
    """
    given = dict(zip(_SHARE, (pool, priority, weight, max_running, owner, preempt), strict=True))
    changes = {key: _as_written(value) for key, value in given.items() if value is not ...}
    chosen = choose_study(study, storage)
    with closing(chosen.connection) as connection:
        check_schema(connection)
        _, spec = change_spec(
            connection, chosen.name, lambda stored: change_share(stored, changes), current_actor()
        )
    return {"study": chosen.name, **{key: getattr(spec, key) for key in _SHARE}}


def quotas(owner: str | None = None, *, storage: Storage = None) -> list[dict[str, Any]]:
    """The quotas of one owner or of all: ``gpu_hours``, what is ``used``, the ``period`` and its end."""
    with closing(_connect(storage)) as connection:
        found = accounts.list_quotas(connection.run)
    return [quota_as_data(quota) for quota in found if owner in (None, quota.owner)]


def set_quota(
    owner: str, gpu_hours: float | None, per: accounts.Period = "month", *, storage: Storage = None
) -> list[dict[str, Any]]:
    """Limit an owner's GPU-hours in each day, week or month; return the owner's quotas.

    ``gpu_hours``: how many; None removes the limit.

    Raises:
        InputError: the owner, the number or the period is not valid.
    """
    change = check_quota(owner, gpu_hours, per)
    with closing(_connect(storage)) as connection:
        if change is None:
            accounts.remove_quota(connection.run, owner, per)
        else:
            accounts.set_quota(connection.run, owner, per, change, current_actor())
    return quotas(owner, storage=storage)


def usage(by: Kind = "owner", since: str | timedelta = "30d", *, storage: Storage = None) -> list[dict[str, Any]]:
    """GPU-hours, worker-hours, cost, attempts and finished trials, those that used most first.

    Args:
        by: what to sum up by: owner, project (the tag of that name), study, outcome or pool.
        since: how far back, like "12h" or "30d".
        storage: the database's URL, or an open storage. Default: the database that ``hpotool`` uses.

    Raises:
        InputError: there is no such kind, or ``since`` is no duration.
    """
    if by not in get_args(Kind):
        raise InputError(f"by={by!r}: expected one of {', '.join(get_args(Kind))}", 'usage(by="owner")')
    try:
        duration = parse_duration(format_duration(since) if isinstance(since, timedelta) else since)
    except ValueError as error:
        raise InputError(f"since {error}", 'write it like since="30d", "12h" or "90m"') from None
    with closing(_connect(storage)) as connection:
        return [line.as_data(by) for line in sum_up(accounts.usage_since(connection.run, duration), by)]


def read_pools(connection: Connection, pool: str | None) -> tuple[list[Place], list[PoolWorkers]]:
    """The studies and the workers of one pool or of all.

    Raises:
        NotFoundError: no study names this pool, and no worker serves it.
    """
    places = list_places(connection.run, GONE_AFTER_S, pool=pool)
    workers = [one for one in count_pool_workers(connection.run, GONE_AFTER_S) if pool in (None, one.pool)]
    if pool is not None and not places and not workers:
        raise NotFoundError(f"there is no pool {pool!r}: no study names it", "hpotool pools")
    return places, workers


def pools_as_data(places: Sequence[Place], workers: Sequence[PoolWorkers]) -> list[dict[str, Any]]:
    """Each pool with its workers and studies."""
    known = {one.pool: one for one in workers}
    by_pool: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for place in places:
        by_pool[place.pool].append(place_as_data(place, places))
    return [
        {
            "pool": pool,
            "workers": known[pool].alive if pool in known else 0,
            "busy": known[pool].busy if pool in known else 0,
            "studies": by_pool[pool],
        }
        for pool in sorted({*known, *by_pool})
    ]


def place_as_data(place: Place, places: Sequence[Place]) -> dict[str, Any]:
    """One study, flat: its settings, and its part of the pool's time of the last day."""
    of_pool = sum(other.day_s for other in places if other.pool == place.pool)
    return {
        **asdict(place),
        "share": round(place.day_s / of_pool, 4) if of_pool else None,
        "waits": describe_place(place) if is_waiting(place) else None,
    }


def quota_as_data(quota: accounts.Quota) -> dict[str, Any]:
    """A quota as JSON data."""
    return {
        "owner": quota.owner,
        "period": quota.period,
        "gpu_hours": quota.gpu_hours,
        "used": round(quota.used, 4),
        "is_used_up": quota.is_used_up,
        "until": f"{quota.until.isoformat()}Z",
        "set_by": quota.set_by,
    }


def check_quota(owner: str, gpu_hours: float | None, per: str = "month") -> float | None:
    """The GPU-hours of a quota.

    Raises:
        InputError: the owner, the number or the period is not valid.
    """
    try:
        OWNER_NAME.check(owner)
    except ValueError as error:
        raise InputError(str(error), "hpotool quota set ann 100") from None
    if per not in get_args(accounts.Period):
        raise InputError(f"per={per!r}: expected one of {', '.join(get_args(accounts.Period))}", 'per="month"')
    if gpu_hours is not None and not (0 <= gpu_hours < math.inf):
        raise InputError(f"{gpu_hours:g} is no number of GPU-hours", paste("quota", "set", "--", owner, "100"))
    return None if gpu_hours is None else float(gpu_hours)


def _connect(storage: Storage) -> Connection:
    connection = Connection(database_url(storage))
    check_schema(connection)
    return connection


def _as_written(value: Any) -> str:
    """A value as a study file would have it; ``none`` stands for the default."""
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
