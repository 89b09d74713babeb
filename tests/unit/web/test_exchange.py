"""A request as a server received it, and the headers of every response."""

from __future__ import annotations

import io
from typing import Any

import pytest

from hpotool.web.exchange import Request, Response, see_other


def environment(path: str = "/hpotool/", method: str = "GET", body: bytes = b"", **more: str) -> dict[str, Any]:
    return {
        "PATH_INFO": path,
        "REQUEST_METHOD": method,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **more,
    }


FORM = {"CONTENT_TYPE": "application/x-www-form-urlencoded; charset=UTF-8"}


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/hpotool", ()),
        ("/hpotool/", ()),
        ("/hpotool/studies/3/", ("studies", "3")),
        ("/hpotool//studies//3", ("studies", "3")),
        ("/hpotool/stud\xc3\xa9", ("studé",)),  # WSGI gives bytes as Latin-1
        ("/hpotool/\xff", ("�",)),
    ],
)
def test_a_path_has_parts(path: str, parts: tuple[str, ...]) -> None:
    assert Request.read(environment(path)).path == parts


def test_a_request_names_its_user_origin_and_cookies() -> None:
    request = Request.read(
        environment(
            HTTP_COOKIE='hpotool-session=abc; other="x y"',
            HTTP_HOST="Host:8080",
            HTTP_ORIGIN="http://host:8080",
            HTTP_SEC_FETCH_SITE="same-origin",
            REMOTE_USER="ada",
            QUERY_STRING="where=lr%3E0.1&page=",
        )
    )
    assert request.cookies["hpotool-session"] == "abc"
    assert (request.host, request.origin, request.site) == ("host:8080", "http://host:8080", "same-origin")
    assert (request.user, request.is_refresh) == ("ada", False)
    assert request.query == {"where": "lr>0.1", "page": ""}


def test_a_page_that_refreshes_itself_says_so() -> None:
    assert Request.read(environment(HTTP_X_HPOTOOL_REFRESH="1")).is_refresh


def test_the_fields_of_a_form_are_read_only_from_a_post_of_a_form() -> None:
    body = b"reason=a+b%26&token=x"
    assert Request.read(environment(method="POST", body=body, **FORM)).form == {"reason": "a b&", "token": "x"}
    assert Request.read(environment(method="GET", body=body, **FORM)).form == {}
    for kind in ("application/json", "text/plain", "multipart/form-data; boundary=x", ""):
        assert Request.read(environment(method="POST", body=body, CONTENT_TYPE=kind)).form == {}, kind


@pytest.mark.parametrize("length", ["", "x", "-5", str(10 << 20)])
def test_a_form_without_an_honest_length_is_empty(length: str) -> None:
    read = environment(method="POST", body=b"a=b", **FORM) | {"CONTENT_LENGTH": length}
    assert Request.read(read).form == {}


def test_more_fields_than_any_form_has_are_none() -> None:
    query = "&".join(f"f{i}=1" for i in range(1000))
    assert Request.read(environment(QUERY_STRING=query)).query == {}


def test_cookies_that_are_none_do_no_harm() -> None:
    assert Request.read(environment(HTTP_COOKIE="\x01=;;;=\xff; a b c")).cookies == {}


def test_every_response_keeps_a_page_to_itself() -> None:
    for response in (Response(b"x"), see_other("/hpotool/"), Response(b"", "404 Not Found")):
        headers = dict(response.all_headers())
        policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_a_redirect_is_followed_with_get() -> None:
    response = see_other("/hpotool/studies/3")
    assert response.status.startswith("303 ")
    assert dict(response.all_headers())["Location"] == "/hpotool/studies/3"
