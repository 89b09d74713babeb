"""Ports, addresses and networks: finds free ports and this machine's addresses, and checks admitted networks."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

from hpotool.errors import DatabaseUnreachableError, InputError
from hpotool.server.folder import LOOPBACK, Listening

# Below the range for outgoing connections, so that the port stays available while the server is down.
_PORTS = range(5433, 5533)
EVERY_ADDRESS = "*"
_EVERY_ADDRESS = (EVERY_ADDRESS, "0.0.0.0", "::")
_IN_DOCUMENTATION_ONLY = "192.0.2.1"


def checked_address(text: str) -> str:
    """The address to listen on, in Postgres's syntax: ``*`` for every address of this machine.

    Raises:
        InputError: it is not an address of this machine.
    """
    if text in _EVERY_ADDRESS:
        return EVERY_ADDRESS
    text = LOOPBACK if text == "localhost" else text
    try:
        address = str(ipaddress.ip_address(text))
    except ValueError:
        raise InputError(f"--listen {text} is not an IP address", _listen_hint()) from None
    if ipaddress.ip_address(address).is_loopback:
        return LOOPBACK
    try:
        with _bound(address, 0):
            return address
    except OSError:
        raise InputError(
            f"no network interface of this machine has the address {address}", _listen_hint()
        ) from None


def checked_networks(texts: Sequence[str]) -> tuple[str, ...]:
    """The networks to admit, each as ``address/bits``.

    Raises:
        InputError: one of them is not a network.
    """
    return tuple(dict.fromkeys(_checked_network(text) for text in texts))


def wanted_listening(
    before: Listening | None, listen: str | None, allow: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    """The address and networks to use from now on: the requested ones, else the previous ones.

    Raises:
        InputError: they are invalid or contradict each other.
    """
    address = checked_address(listen) if listen is not None else (before.address if before else LOOPBACK)
    networks = checked_networks(allow) if allow else (before.allow if before and before.is_open else ())
    if address == LOOPBACK:
        if allow:
            raise InputError(
                "--allow admits other machines, but the server listens only to this one", _listen_hint()
            )
        return address, ()
    if not networks:
        raise InputError(
            f"--listen {address} opens the database to other machines; name them with --allow",
            f"hpotool db up --listen {address} --allow {_network_of(own_address())}",
        )
    return address, networks


def free_port(address: str, preferred: int | None, but: Sequence[int] = ()) -> int:
    """A port that is free on loopback and on ``address``: the preferred one if possible."""
    for port in ([preferred] if preferred else []) + list(_PORTS):
        if port not in but and all(_is_free(each, port) for each in (LOOPBACK, address)):
            return port
    with _bound(LOOPBACK, 0) as probe:
        return int(probe.getsockname()[1])


def address_for_others(address: str) -> str:
    """The address at which other machines reach a server that listens on ``address``."""
    return own_address() if address == EVERY_ADDRESS else address


def own_address() -> str:
    """This machine's address in its network, or loopback if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(
                (_IN_DOCUMENTATION_ONLY, 9)
            )  # sends nothing: connecting a datagram socket only selects a route
        except OSError:
            return LOOPBACK
        return str(probe.getsockname()[0])


def access_rules(listening: Listening, superuser: str, user: str, database: str) -> list[str]:
    """Lines of pg_hba.conf: the superuser only over loopback, hpotool's role from this machine and ``allow``."""
    rules = [f"host all {superuser},{user} {here} scram-sha-256" for here in ("127.0.0.1/32", "::1/128")]
    if listening.is_open:  # so that the URL for other machines also works on this one
        rules.append(f"host {database} {user} samehost scram-sha-256")
    return rules + [f"host {database} {user} {network} scram-sha-256" for network in listening.allow]


def require_address(address: str) -> None:
    """Check that the address on which the server last listened still belongs to this machine.

    Raises:
        DatabaseUnreachableError: it does not.
    """
    if not _is_free(address, 0):
        raise DatabaseUnreachableError(
            f"the embedded Postgres should listen on {address}, which this machine no longer has",
            f"{_listen_hint()} (or, to this machine only: hpotool db up --listen {LOOPBACK})",
        )


def require_open(listening: Listening) -> None:
    """Check that other machines can connect.

    Raises:
        DatabaseUnreachableError: they cannot.
    """
    if not listening.is_open:
        raise DatabaseUnreachableError("the embedded Postgres listens only to this machine", _listen_hint())


def _checked_network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        hint = f"write it like {_network_of(own_address())}, or like 10.1.2.3/32 for one machine"
        raise InputError(f"--allow {text} is not a network", hint) from None


def _listen_hint() -> str:
    address = own_address()
    return f"hpotool db up --listen {address} --allow {_network_of(address)}"


def _network_of(address: str) -> str:
    return str(ipaddress.ip_network(f"{address}/24", strict=False))


def _is_free(address: str, port: int) -> bool:
    try:
        with _bound(address, port):
            return True
    except OSError:
        return False


def _bound(address: str, port: int) -> socket.socket:
    address = "" if address == EVERY_ADDRESS else address
    probe = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        # As in Postgres: a port in TIME_WAIT counts as free, a port that is being listened on does not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port))
    except OSError:
        probe.close()
        raise
    return probe
