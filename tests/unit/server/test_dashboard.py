"""Which requests the dashboard answers: with a login, under its own names, from its own pages."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.errors import InputError
from hpotool.server.dashboard import Doorkeeper, Login, _reading_only, guarded, listen, logged_in

DOORKEEPER = Doorkeeper.of("0.0.0.0", ["Studies.example.org."])
LOGIN = Login("ann", "se:cret ü")


def _basic(text: str, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(text.encode()).decode()}"


class Application:
    """Answers everything, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def __call__(self, environment: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.asked.append(environment)
        start_response("200 OK", [])
        return [b"answered"]


def _ask(application: Any, **environment: str) -> tuple[str, dict[str, str], bytes]:
    answers: list[tuple[str, dict[str, str]]] = []
    request = {"REQUEST_METHOD": "GET", "HTTP_HOST": "localhost:8080", **environment}
    body = b"".join(application(request, lambda status, headers: answers.append((status, dict(headers)))))
    [(status, headers)] = answers
    return status, headers, body


@pytest.mark.parametrize("text", ["", "ann", ":secret", "ann:", ":"])
def test_what_is_no_login_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InputError, match="not of the form USER:PASSWORD") as error:
        Login.parse(text)
    assert text == "" or text == ":" or text not in str(error.value)


def test_a_password_may_have_colons_and_is_never_shown() -> None:
    login = Login.parse("ann:se:cret ü")
    assert login == LOGIN
    assert "cret" not in repr(login)


@pytest.mark.parametrize(
    ("header", "is_admitted"),
    [
        (_basic("ann:se:cret ü"), True),
        (_basic("ann:se:cret ü", "basic"), True),
        (_basic("ann:se:cret ü", "BASIC"), True),
        (_basic("ann:se:cret"), False),
        (_basic("bob:se:cret ü"), False),
        (_basic("ann:se:cret ü", "Bearer"), False),
        (_basic(""), False),
        *((header, False) for header in ("", "Basic", "Basic !!!", "Basic ü")),
    ],
)
def test_only_the_login_opens(header: str, is_admitted: bool) -> None:
    assert LOGIN.admits(header) is is_admitted


@given(st.text(max_size=20))
def test_no_other_text_opens(text: str) -> None:
    assert not LOGIN.admits(text)
    with suppress(UnicodeEncodeError):  # half of a pair, which no browser sends
        assert LOGIN.admits(_basic(text)) == (text == "ann:se:cret ü")


def test_without_the_login_the_page_is_not_asked() -> None:
    page = Application()
    status, headers, body = _ask(logged_in(page, LOGIN))
    assert status == "401 Unauthorized"
    assert headers["WWW-Authenticate"].startswith("Basic realm=")
    assert json.loads(body)["reason"] == "this dashboard needs a login"
    assert page.asked == []
    status, _, body = _ask(logged_in(page, LOGIN), HTTP_AUTHORIZATION=_basic("ann:se:cret ü"), REMOTE_USER="eve")
    assert (status, body) == ("200 OK", b"answered")
    assert page.asked[0]["REMOTE_USER"] == "ann", "who it is comes from the login alone"


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "10.1.2.3", "studies.example.org",
        "studies.example.org.:443", socket.gethostname(),
    ],
)  # fmt: skip
def test_its_own_names_and_every_address_are_answered(host: str) -> None:
    page = Application()
    assert _ask(guarded(page, DOORKEEPER), HTTP_HOST=host)[0] == "200 OK"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "localhost:x", "[::1", "a b", ".",
        "0x7f.1",
    ],
)  # fmt: skip
def test_a_foreign_name_of_this_address_is_refused_with_what_to_do(host: str) -> None:
    page = Application()
    status, _, body = _ask(guarded(page, DOORKEEPER), HTTP_HOST=host)
    assert status == "403 Forbidden"
    assert "--allow-host NAME" in json.loads(body)["reason"]
    assert page.asked == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("headers", "is_answered"),
    [
        ({}, True),  # not a browser
        ({"HTTP_SEC_FETCH_SITE": "same-origin"}, True),
        ({"HTTP_SEC_FETCH_SITE": "none"}, True),
        ({"HTTP_SEC_FETCH_SITE": "cross-site"}, False),
        ({"HTTP_SEC_FETCH_SITE": "same-site"}, False),
        ({"HTTP_ORIGIN": "http://localhost:8080"}, True),
        ({"HTTP_ORIGIN": "https://LOCALHOST:8080"}, True),
        ({"HTTP_ORIGIN": "http://localhost:9090"}, False),
        ({"HTTP_ORIGIN": "http://evil.example"}, False),
        ({"HTTP_ORIGIN": "null"}, False),
        ({"HTTP_ORIGIN": ""}, False),
        ({"HTTP_ORIGIN": "http://localhost:8080", "HTTP_SEC_FETCH_SITE": "cross-site"}, False),
    ],
)
def test_only_its_own_pages_change_something(method: str, headers: dict[str, str], is_answered: bool) -> None:
    page = Application()
    status = _ask(guarded(page, DOORKEEPER), REQUEST_METHOD=method, **headers)[0]
    assert status == ("200 OK" if is_answered else "403 Forbidden")
    assert len(page.asked) == is_answered
    assert _ask(guarded(page, DOORKEEPER), **headers)[0] == "200 OK", "reading changes nothing"


@pytest.mark.parametrize(
    ("method", "is_answered"),
    [("GET", True), ("HEAD", True), ("POST", False), ("DELETE", False), ("PATCH", False), ("BREW", False)],
)
def test_read_only_is_for_every_method_that_could_change_something(method: str, is_answered: bool) -> None:
    page = Application()
    status, _, body = _ask(_reading_only(page), REQUEST_METHOD=method)
    assert (status == "200 OK") is is_answered
    assert is_answered or json.loads(body) == {"reason": "this dashboard is read-only"}


def test_it_listens_where_it_is_told_or_says_why_not() -> None:
    with listen("127.0.0.1", 0) as one:
        port = one.getsockname()[1]
        with pytest.raises(InputError, match=rf"hpotool dashboard cannot listen on port {port} of 127\.0\.0\.1"):
            listen("127.0.0.1", port)
        with pytest.raises(InputError, match=r"^hpotool metrics --serve cannot listen"):
            listen("127.0.0.1", port, "hpotool metrics --serve")
    for host in ("no.such.host.invalid", "a" * 64 + ".example", "192.0.2.77"):
        with pytest.raises(InputError) as error:
            listen(host, 0)
        assert error.value.hint
