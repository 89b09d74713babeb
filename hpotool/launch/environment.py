"""What a launched worker must know and nobody else may read: the database, and the settings that workers share."""

from __future__ import annotations

import ipaddress
import os
import shlex
from collections.abc import Mapping

from hpotool.errors import InputError, paste
from hpotool.storage.database.url import DatabaseUrl

# All workers of a study must have the same pulse, and what they may run is for whoever launches them to say.
_SHARED = (
    "HPOTOOL_HEARTBEAT_INTERVAL_S",
    "HPOTOOL_GRACE_PERIOD_S",
    "HPOTOOL_LOG_LIMIT",
    "HPOTOOL_LOGS_LIMIT",
    "HPOTOOL_ALLOW",
    "PGSSLMODE",
)
MASK = "***"


def worker_environment(
    url: DatabaseUrl, password: str | None, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The variables of every launched worker; ``password`` where the URL itself has none."""
    whole = url.url if url.url.password or not password else url.url.set(password=password)
    shared = {name: environment[name] for name in _SHARED if environment.get(name)}
    return {"HPOTOOL_STORAGE": DatabaseUrl(whole).libpq_without_defaults, **shared}


def as_shell(variables: Mapping[str, str], *, masked: bool = False) -> str:
    """The variables as lines that a shell reads; ``masked`` for people."""
    shown = mask(variables) if masked else variables
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in shown.items())


def mask(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables without the password."""
    return {
        name: str(DatabaseUrl.parse(value)) if name == "HPOTOOL_STORAGE" else value
        for name, value in variables.items()
    }


def refuse_loopback(url: DatabaseUrl, where: str) -> None:
    """Nothing, where other machines can reach the database by this URL.

    Raises:
        InputError: its address means another machine on each machine.
    """
    host = url.url.host or str(url.url.query.get("host", ""))
    if not is_loopback(host):
        return
    shown = f"the address {host}" if host else "a socket of this machine"
    raise InputError(
        f"workers {where} cannot reach the database: its URL has {shown}, which on every machine is that machine",
        "give the URL an address that they can reach, like "
        "HPOTOOL_STORAGE=postgresql://USER:PASSWORD@10.0.0.5:5432/DATABASE; "
        f"of the embedded Postgres: {paste('db', 'up', '--listen', 'ADDRESS', '--allow', 'NETWORK')}",
    )


def is_loopback(host: str) -> bool:
    """Whether a host name or address leads back to the machine that uses it."""
    if not host or host.startswith("/") or host.rstrip(".").lower().split(".")[-1] == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified  # 0.0.0.0 is where a server listens: here
