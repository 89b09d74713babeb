import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import parse_dsn
from sqlalchemy.engine import URL, make_url

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


PRINTABLE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@given(PRINTABLE, PRINTABLE, PRINTABLE)
def test_a_password_is_hidden_wherever_a_url_may_have_it_and_reaches_the_database(
    user: str, password: str, ssl_password: str
) -> None:
    secret, ssl_secret = f"s3cret{password}", f"s3cret{ssl_password}"
    inside = URL.create("postgresql", user, secret, "db.example.org", 5433, "studies", {"sslpassword": ssl_secret})
    behind = URL.create("postgresql", user, None, "db.example.org", 5433, "studies", {"password": secret})
    for written in (inside, behind):
        url = DatabaseUrl.parse(written.render_as_string(hide_password=False))
        assert "s3cret" not in f"{url}{url!r}"
        for text in (url.libpq, url.libpq_without_defaults):
            meant = parse_dsn(text)
            assert (meant["user"], meant["password"], meant["dbname"]) == (user, secret, "studies")
            assert (meant["host"], meant["port"]) == ("db.example.org", "5433")
        assert make_url(url.sqlalchemy).username == user


@given(
    st.sampled_from(["host", "10.0.0.5", "[::1]", "[fe80::1]", "a.b-c.example"]), st.none() | st.integers(1, 65535)
)
def test_a_url_parsed_again_is_the_same(host: str, port: int | None) -> None:
    written = f"postgresql://me:pw@{host}{'' if port is None else f':{port}'}/db?sslmode=require"
    url = DatabaseUrl.parse(written)
    assert url.libpq_without_defaults == written
    assert DatabaseUrl.parse(url.libpq) == DatabaseUrl.parse(url.sqlalchemy) == url
    assert DatabaseUrl.parse(url.libpq_without_defaults) == url


@given(st.dictionaries(st.sampled_from(["options", "application_name", "sslrootcert"]), PRINTABLE))
def test_every_setting_in_a_url_reaches_the_database_as_it_was_meant(settings: dict[str, str]) -> None:
    written = URL.create("postgresql", "me", "p w+", "h", 5432, "db", settings).render_as_string(
        hide_password=False
    )
    url = DatabaseUrl.parse(written)
    for text in (url.libpq, url.libpq_without_defaults, DatabaseUrl.parse(url.libpq_without_defaults).libpq):
        meant = parse_dsn(text)
        assert {name: meant[name] for name in settings} == settings
        assert meant["password"] == "p w+"


def test_options_with_blanks_stay_options() -> None:
    url = DatabaseUrl.parse("postgresql://me@h/db?options=-c%20statement_timeout%3D5s%20-c%20search_path%3Dx")
    assert parse_dsn(url.libpq)["options"] == "-c statement_timeout=5s -c search_path=x"


@pytest.mark.parametrize(
    "text",
    [
        "postgresql:///db?host=/run/postgresql",
        "  postgres://me@h/db\n",
        "postgresql://h1:1,h2:2/db",
        "postgres://",
    ],
)
def test_other_spellings_are_read_or_refused_with_a_hint(text: str) -> None:
    try:
        url = DatabaseUrl.parse(text)
    except InputError as refused:
        said = refused.hint
    else:
        said = str(url)
    assert said is not None
    assert "postgresql://" in said
