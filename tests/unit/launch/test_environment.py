from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpotool.errors import InputError
from hpotool.launch.environment import as_shell, is_loopback, refuse_loopback, worker_environment
from hpotool.storage.database.url import DatabaseUrl
from tests.examples import examples

URL = DatabaseUrl.parse("postgresql://me@db.example.org/studies?sslmode=require")


def test_the_password_of_a_password_file_goes_along() -> None:
    given = {"HPOTOOL_HEARTBEAT_INTERVAL_S": "5", "HOME": "/root", "HPOTOOL_HOME": "/x"}
    found = worker_environment(URL, "p@ss'w\"$x", given)
    assert DatabaseUrl.parse(found["HPOTOOL_STORAGE"]).url.password == "p@ss'w\"$x"
    assert found["HPOTOOL_HEARTBEAT_INTERVAL_S"] == "5"
    assert set(found) == {"HPOTOOL_STORAGE", "HPOTOOL_HEARTBEAT_INTERVAL_S"}, (
        "what is this machine's own stays here"
    )


def test_a_password_in_the_url_is_the_one() -> None:
    url = DatabaseUrl.parse("postgresql://me:right@db/studies")
    assert ":right@" in worker_environment(url, "wrong", {})["HPOTOOL_STORAGE"]


def test_a_shell_reads_the_variables_as_they_are() -> None:
    variables = {"HPOTOOL_ALLOW": "a; b 'c' \"$HOME\" `id`\\"}
    said = subprocess.run(
        ["sh", "-c", f'{as_shell(variables)}printf %s "$HPOTOOL_ALLOW"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == variables["HPOTOOL_ALLOW"]


def test_people_do_not_see_the_password() -> None:
    shown = as_shell(worker_environment(URL, "s3cret", {}), masked=True)
    assert "s3cret" not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "host",
    [
        "",
        "/var/run/postgresql",
        "localhost",
        "LOCALHOST.",
        "my.localhost",
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "[::1]",
        "0.0.0.0",
        "::",
        "::ffff:127.0.0.1",
    ],
)
def test_an_address_that_leads_back_is_no_address_for_others(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["10.0.0.5", "db", "fd00::2", "localhost.example.org", "::ffff:10.0.0.5", "127.example.org", "1.1.1.1"]
)
def test_other_addresses_are(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "text",
    ["postgresql://me@127.0.0.1/x", "postgresql://me@/x?host=/run/postgresql", "postgresql://me@[::1]:5433/x"],
)
def test_a_database_of_this_machine_alone_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(InputError, match="on other hosts cannot reach the database") as refused:
        refuse_loopback(DatabaseUrl.parse(text), "on other hosts")
    assert "hpotool db up --listen" in str(refused.value.hint)
    refuse_loopback(URL, "on other hosts")


@settings(max_examples=examples(40), deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
def test_a_shell_reads_any_variable_exactly(text: str) -> None:
    said = subprocess.run(
        ["sh", "-c", f'{as_shell({"HPOTOOL_ALLOW": text, "LAST": "x"})}printf %s "$HPOTOOL_ALLOW"'],
        capture_output=True,
        check=True,
    )
    assert said.stdout.decode() == text


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20))
def test_no_password_is_ever_shown_and_every_password_goes_along(password: str) -> None:
    secret = f"s3cret{password}"
    variables = worker_environment(URL, secret, {})
    assert DatabaseUrl.parse(variables["HPOTOOL_STORAGE"]).url.password == secret
    assert "s3cret" not in as_shell(variables, masked=True)
