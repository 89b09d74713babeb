from urllib.parse import quote

import pytest

from hpotool.errors import HpotoolError
from hpotool.storage.database.connection import Connection, TransientDatabaseError, is_transient_code
from hpotool.storage.database.url import DatabaseUrl


@pytest.mark.parametrize(
    "pgcode",
    [
        *("08000", "08006", "08P01", "40001", "40P01", "53100", "53200", "53300", "53400"),
        *(
            "25006",
            "25P03",
            "25P04",
            "55P03",
            "57014",
            "57P01",
            "57P02",
            "57P03",
            "57P04",
            "57P05",
            "58000",
            "58030",
        ),
    ],
)
def test_what_passes_by_itself_is_transient(pgcode):
    assert is_transient_code(pgcode)


@pytest.mark.parametrize("pgcode", [None, "23505", "42P01", "28P01", "3D000", "22003"])
def test_what_stays_wrong_is_not_transient(pgcode):
    assert not is_transient_code(pgcode)


def test_a_database_that_is_not_there_is_transient_and_its_password_stays_hidden():
    connection = Connection(DatabaseUrl.parse("postgresql://someone:s3cret@127.0.0.1:1/nowhere"))
    with pytest.raises(TransientDatabaseError) as caught:
        connection.run("select 1")
    assert not caught.value.maybe_applied
    assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__!r}"


@pytest.mark.parametrize(
    ("address", "exit_code", "reason"),
    [
        ("127.0.0.1:1/x?foo=bar", 2, 'cannot be used: invalid URI query parameter: "foo"'),
        ("127.0.0.1:1/x?sslmode=nonsense", 4, 'invalid sslmode value: "nonsense"'),
        ("127.0.0.1:99999/x", 4, 'invalid port number: "99999"'),
        ("127.0.0.1:1/x?service=nowhere", 4, 'definition of service "nowhere" not found'),
    ],
)
def test_a_url_that_can_never_work_is_not_waited_for(address, exit_code, reason):
    with pytest.raises(HpotoolError) as caught:
        Connection(DatabaseUrl.parse(f"postgresql://u:s3cret@{address}")).run("select 1")
    assert not isinstance(caught.value, TransientDatabaseError)
    assert caught.value.exit_code == exit_code
    assert reason in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("password", ["p", "on", "Connection", "127.0.0.1", "%2F@", "s3cret/@:"])
def test_a_message_is_the_same_whatever_the_password_is(password):
    def message(password):
        url = DatabaseUrl.parse(f"postgresql://u:{quote(password, safe='')}@127.0.0.1:1/x")
        with pytest.raises(TransientDatabaseError) as caught:
            Connection(url).run("select 1")
        return str(caught.value)

    assert message(password) == message("another")
    assert "Connection refused" in message(password)
