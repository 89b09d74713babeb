"""Which server a URL names, and the URL that leads there through a proxy."""

from __future__ import annotations

import pytest
from psycopg2.extensions import parse_dsn

from hpotool.drill.proxy import connector, through
from hpotool.storage.database.url import DatabaseUrl


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("postgresql://u:p@db.example:6000/d", {"host": "db.example", "hostaddr": "127.0.0.1"}),
        ("postgresql://u:p@db.example/d?sslmode=verify-full", {"host": "db.example", "sslmode": "verify-full"}),
        ("postgresql://u@/d?host=/var/run/postgresql", {"host": "127.0.0.1"}),
        ("postgresql://u@/d?host=db.example:6000", {"host": "db.example", "hostaddr": "127.0.0.1"}),
    ],
)
def test_a_url_leads_through_the_proxy_and_keeps_the_rest(url: str, seen: dict[str, str]) -> None:
    given = parse_dsn(through(DatabaseUrl.parse(url), 7777).libpq)
    assert given["port"] == "7777"
    assert given["dbname"] == "d"
    assert {name: given.get(name) for name in seen} == seen


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("postgresql://u@db.example/d", True),
        ("postgresql://u@/d?host=/var/run/postgresql", True),
        ("postgresql://u@/d?host=a:5432&host=b:5432", False),
        ("postgresql://u@/d?service=production", False),
        ("postgresql://u@/d", False),
    ],
)
def test_only_a_url_that_names_one_server_can_be_cut(url: str, is_one: bool) -> None:
    assert (connector(DatabaseUrl.parse(url)) is not None) is is_one
