"""Addresses and networks that people write, and the ports and rules that follow from them."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.errors import DatabaseUnreachableError, InputError
from hpotool.server import network
from hpotool.server.folder import LOOPBACK, Listening
from hpotool.server.network import (
    EVERY_ADDRESS,
    access_rules,
    address_for_others,
    checked_address,
    checked_networks,
    free_port,
    own_address,
    require_address,
    require_open,
    wanted_listening,
)

ANYONE = Listening(5433, EVERY_ADDRESS, ("10.0.0.0/8",))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("*", "*"), ("0.0.0.0", "*"), ("::", "*"), ("localhost", LOOPBACK), ("127.0.0.1", LOOPBACK),
        ("127.0.0.53", LOOPBACK), ("::1", LOOPBACK),
    ],
)  # fmt: skip
def test_an_address_is_written_in_many_ways(text: str, address: str) -> None:
    assert checked_address(text) == address


@pytest.mark.parametrize(
    ("text", "says"),
    [("node-1", "is not an IP address"), ("1.2.3", "is not an IP address"), ("", "is not an IP address"),
     ("192.0.2.77", "no network interface of this machine has the address"),
     ("2001:db8::77", "no network interface of this machine has the address")],
)  # fmt: skip
def test_an_address_of_nobody_here_is_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as error:
        checked_address(text)
    assert error.value.hint is not None
    assert error.value.hint.startswith("hpotool db up --listen ")


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_a_network_is_taken_as_written_and_an_address_within_one_is_not(
    address: ipaddress.IPv4Address, bits: int
) -> None:
    inside = ipaddress.ip_network(f"{address}/{bits}", strict=False)
    assert checked_networks([str(inside), str(inside)]) == (str(inside),), "each once"
    if inside.network_address != address:
        with pytest.raises(InputError, match="is not a network") as error:
            checked_networks([f"{address}/{bits}"])
        assert "for one machine" in (error.value.hint or "")
    assert checked_networks([str(address)]) == (f"{address}/32",), "one machine"


@pytest.mark.parametrize(
    ("before", "listen", "allow", "expected"),
    [
        (None, None, (), (LOOPBACK, ())),
        (None, "*", ("10.0.0.0/8",), ("*", ("10.0.0.0/8",))),
        (ANYONE, None, (), ("*", ("10.0.0.0/8",))),
        (ANYONE, None, ("192.168.0.0/16",), ("*", ("192.168.0.0/16",))),
        (ANYONE, "localhost", (), (LOOPBACK, ())),
        (ANYONE, "*", (), ("*", ("10.0.0.0/8",))),
        (Listening(1, LOOPBACK), "*", ("::/0",), ("*", ("::/0",))),
    ],
)
def test_what_is_not_said_stays_as_it_was(
    before: Listening | None, listen: str | None, allow: tuple[str, ...], expected: tuple[str, tuple[str, ...]]
) -> None:
    assert wanted_listening(before, listen, allow) == expected


@pytest.mark.parametrize(
    ("listen", "allow", "says"),
    [
        (None, ("10.0.0.0/8",), "--allow admits other machines"),
        ("localhost", ("10.0.0.0/8",), "--allow admits other machines"),
        ("*", (), "opens the database to other machines; name them with --allow"),
        ("*", ("10.0.0.1/8",), "is not a network"),
    ],
)
def test_what_contradicts_itself_gets_a_command_that_does_not(
    listen: str | None, allow: tuple[str, ...], says: str
) -> None:
    with pytest.raises(InputError, match=says) as error:
        wanted_listening(None, listen, allow)
    assert error.value.hint


def test_a_port_is_free_on_every_address_that_is_asked_for() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = free_port(LOOPBACK, port)
        assert found != port
        assert free_port(LOOPBACK, found) == found, "the preferred one, if it can be"
        assert free_port(LOOPBACK, found, but=[found]) != found
        assert free_port(EVERY_ADDRESS, port) != port


def test_when_all_its_ports_are_taken_any_other_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(network, "_PORTS", range(port, port + 1))
        assert free_port(LOOPBACK, None) not in (0, port)


def test_rules_admit_the_superuser_from_here_and_the_role_from_where_it_was_said() -> None:
    closed = access_rules(Listening(1), "super", "hpotool", "hpotool")
    assert closed == [f"host all super,hpotool {here} scram-sha-256" for here in ("127.0.0.1/32", "::1/128")]
    opened = access_rules(ANYONE, "super", "hpotool", "studies")
    assert opened[:2] == closed
    assert opened[2:] == [
        "host studies hpotool samehost scram-sha-256",
        "host studies hpotool 10.0.0.0/8 scram-sha-256",
    ]
    assert not any("super" in rule for rule in opened[2:])
    assert all(rule.endswith("scram-sha-256") for rule in opened), "nobody without a password"


def test_what_others_use_is_an_address_of_this_machine() -> None:
    assert address_for_others(EVERY_ADDRESS) == own_address()
    assert address_for_others("10.1.2.3") == "10.1.2.3"
    ipaddress.ip_address(own_address())


def test_an_address_that_was_lost_and_a_server_for_this_machine_only_are_said() -> None:
    require_address(LOOPBACK)
    require_address(EVERY_ADDRESS)
    with pytest.raises(DatabaseUnreachableError, match=r"192\.0\.2\.77, which this machine no longer has"):
        require_address("192.0.2.77")
    require_open(ANYONE)
    with pytest.raises(DatabaseUnreachableError, match="listens only to this machine"):
        require_open(Listening(1))


def test_without_a_network_its_own_address_is_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoRoute(socket.socket):
        def connect(self, *_: object) -> None:
            raise OSError

    monkeypatch.setattr(network.socket, "socket", NoRoute)
    assert own_address() == LOOPBACK
