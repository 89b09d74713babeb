import pytest

from hpotool.errors import InputError
from hpotool.storage.database.url import DatabaseUrl


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_every_spelling_becomes_psycopg2(scheme: str) -> None:
    url = DatabaseUrl.parse(f"{scheme}://user:secret@host:5433/db")
    assert url.sqlalchemy.startswith("postgresql+psycopg2://user:secret@host:5433/db")
    assert url.libpq.startswith("postgresql://user:secret@host:5433/db")


def test_a_url_never_shows_its_password() -> None:
    url = DatabaseUrl.parse("postgresql://user:secret@host/db")
    assert "secret" not in str(url) + repr(url) + f"{url}"
    assert str(url) == "postgresql://user:***@host/db"


@pytest.mark.parametrize("text", ["", "sqlite:///x.db", "nonsense", "postgresql://host", "postgresql://h:port/db"])
def test_a_url_that_is_not_postgres_is_an_input_error(text: str) -> None:
    with pytest.raises(InputError):
        DatabaseUrl.parse(text)


def test_settings_in_the_url_win_over_our_tcp_defaults() -> None:
    assert "connect_timeout=60" in DatabaseUrl.parse("postgresql://host/db?connect_timeout=60").libpq
