"""The database: reachable, fit, with room, with the rights that a worker needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hpotool.doctor.finding import Finding, Ward, broken, ok, unknown, warning
from hpotool.errors import HpotoolError
from hpotool.settings import Pulse
from hpotool.storage.control.health import DatabaseHealth
from hpotool.storage.database.url import DatabaseUrl
from hpotool.study.wording import count_of

_SLOW_S = 0.05
_OLDEST = 130000
_LEAST_CONNECTIONS = 5
_HELD_TOO_LONG_S = 3.0


@dataclass(frozen=True)
class Database:
    """What the checks look at.

    Attributes:
        error: why it cannot be asked; then there is no ``health``.
        schema_error: why its tables cannot be used.
        numbers_twice: trial numbers that were given twice, by study.
        has_tables: whether anybody has made a study there yet.
        is_local: whether the URL leads to this machine.
    """

    url: DatabaseUrl | None
    pulse: Pulse
    error: HpotoolError | None = None
    schema_error: HpotoolError | None = None
    health: DatabaseHealth | None = None
    numbers_twice: Mapping[str, Sequence[int]] = field(default_factory=dict)
    is_local: bool = True
    has_tables: bool = True


def answers(database: Database) -> Finding:
    """It answers, and takes the login."""
    if database.error is not None:
        return broken(database.error.message, database.error.hint or "check the storage URL")
    return ok(str(database.url))


def tables(database: Database) -> Finding:
    """Its tables are the ones that this hpotool knows."""
    if database.schema_error is not None:
        return broken(database.schema_error.message, database.schema_error.hint or "hpotool db upgrade")
    if not database.has_tables:
        return warning("the database has no tables yet", "hpotool create-study FILE makes them")
    return unknown("the database was not asked") if database.health is None else ok()


def _of_health(database: Database) -> DatabaseHealth:
    if database.health is None:
        raise HpotoolError("the database was not asked")
    return database.health


def rights(database: Database) -> Finding:
    """This role may do what a worker does."""
    missing = _of_health(database).missing_rights
    if missing:
        named = "; ".join(f"{table}: {what}" for table, what in list(missing.items())[:3])
        more = f" and {count_of(len(missing) - 3, 'more table')}" if len(missing) > 3 else ""
        return broken(f"this role may not {named}{more}", "docs/operations.md says what a role needs, under Roles")
    return ok()


def server_version(database: Database) -> Finding:
    """It is a Postgres that hpotool knows."""
    found = _of_health(database).version
    if found < _OLDEST:
        return broken(f"Postgres {found // 10000} is too old", "use Postgres 13 or newer")
    return ok(f"Postgres {found // 10000}.{found % 10000}")


def round_trip(database: Database) -> Finding:
    """It is near."""
    found = _of_health(database).round_trip_s
    if found > _SLOW_S:
        return warning(
            f"a round trip takes {found * 1000:.0f} ms: about five of them are in each trial",
            "put the database nearer to the workers, or make trials longer",
        )
    return ok(f"{found * 1000:.1f} ms")


def clock(database: Database) -> Finding:
    """Its clock and this machine's agree, so that times in logs and events can be compared."""
    ahead = _of_health(database).clock_ahead_s
    if abs(ahead) > database.pulse.interval.total_seconds():
        return warning(
            f"the database's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's",
            "have both set by NTP: timedatectl set-ntp true",
        )
    return ok()


def connections(database: Database) -> Finding:
    """There is room for more workers."""
    free = _of_health(database).free_connections
    if free < _LEAST_CONNECTIONS:
        return warning(
            f"{count_of(max(0, free), 'connection is', 'connections are')} free, and each worker takes one",
            "raise max_connections (or the limit of role or database), or use PgBouncer: docs/operations.md",
        )
    return ok(f"{free} free")


def encoding(database: Database) -> Finding:
    """It can hold every text."""
    found = _of_health(database).encoding
    if found != "UTF8":
        return warning(
            f"the database is encoded in {found}", "createdb --encoding UTF8, and move the studies there"
        )
    return ok()


def durability(database: Database) -> Finding:
    """What was committed survives a power cut."""
    off = _of_health(database).not_durable
    if off:
        return warning(
            f"a power cut may lose or damage all studies: off are {', '.join(off)}",
            "; ".join(f"ALTER SYSTEM SET {name} = on" for name in off),
        )
    return ok()


def standby(database: Database) -> Finding:
    """It can be written."""
    if _of_health(database).is_standby:
        return broken("this is a standby, which can only be read", "name the primary in HPOTOOL_STORAGE")
    return ok()


def encryption(database: Database) -> Finding:
    """Passwords and results cross the network encrypted."""
    if not database.is_local and not _of_health(database).is_encrypted:
        return warning(
            "the connection to another machine is not encrypted",
            "add ?sslmode=verify-full to the URL, or tunnel; on a network that you trust, leave it",
        )
    return ok()


def left_open(database: Database) -> Finding:
    """Nobody holds a study's lock without doing anything."""
    held = [each for each in _of_health(database).left_open if float(each["for_s"]) > _HELD_TOO_LONG_S]
    if held:
        first = max(held, key=lambda each: float(each["for_s"]))
        return broken(
            f"the connection {first['pid']} of {first['user']} has left a transaction open for "
            f"{first['for_s']:.0f} s, and workers wait for its locks",
            f"end it: SELECT pg_terminate_backend({first['pid']})",
        )
    return ok()


def vacuum(database: Database) -> Finding:
    """Postgres cleans up behind the beats."""
    without = _of_health(database).without_vacuum
    if without:
        return warning(
            f"autovacuum is off for {', '.join(without)}: each beat leaves a dead row, and claims become slow",
            f"ALTER TABLE {without[0]} RESET (autovacuum_enabled), or autovacuum = on for the server",
        )
    return ok()


def numbers(database: Database) -> Finding:
    """No trial number was given twice."""
    if database.numbers_twice:
        study, twice = next(iter(database.numbers_twice.items()))
        return warning(
            f"study {study!r} has two trials of number {twice[0]}: nothing forbids that in this database yet",
            "export and delete that study, then: hpotool db upgrade",
        )
    return ok()


DATABASE: Ward[Database] = Ward(
    "database",
    {
        "answers": answers,
        "tables": tables,
        "rights": rights,
        "server version": server_version,
        "round trip": round_trip,
        "clock": clock,
        "connections": connections,
        "encoding": encoding,
        "durability": durability,
        "standby": standby,
        "encryption": encryption,
        "open transactions": left_open,
        "vacuum": vacuum,
        "trial numbers": numbers,
    },
)
