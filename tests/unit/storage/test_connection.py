import pytest

from hpotool.storage.connection import Connection, TransientDatabaseError, is_transient_code
from hpotool.storage.url import DatabaseUrl


@pytest.mark.parametrize("pgcode", ["57P01", "57P03", "08006", "40P01", "40001", "53300", "53100", "25006"])
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
