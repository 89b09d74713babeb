"""Further pages beside the dashboard's, on one server."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from hpotool.server.beside import beside

PAGE = b"<html><body><div id=root></div></body></html>"


class Application:
    """Answers every request with one body, and remembers what it was asked."""

    def __init__(self, body: bytes, kind: str = "text/html; charset=UTF-8", status: str = "200 OK") -> None:
        self.body, self.kind, self.status = body, kind, status
        self.asked: list[dict[str, Any]] = []
        self.is_closed = False

    def __call__(self, environment: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.asked.append(environment)
        start_response(
            self.status,
            [("Content-Type", self.kind), ("Content-Length", str(len(self.body))), ("ETag", "x")],
        )
        return self

    def __iter__(self) -> Any:
        return iter([self.body[:10], self.body[10:]])

    def close(self) -> None:
        self.is_closed = True


def ask(application: Any, path: str, method: str = "GET", **more: str) -> tuple[str, dict[str, str], bytes]:
    environment: dict[str, Any] = {"PATH_INFO": path, "REQUEST_METHOD": method, "wsgi.input": io.BytesIO(), **more}
    setup_testing_defaults(environment)
    said: list[Any] = []
    body = b"".join(application(environment, lambda status, headers: said.append((status, dict(headers)))))
    [(status, headers)] = said
    return status, headers, body


@pytest.mark.parametrize(
    ("path", "is_ours"),
    [
        ("/hpotool", True),
        ("/hpotool/", True),
        ("/hpotool/studies/1", True),
        ("/hpotools", False),
        ("/", False),
        ("/api/studies", False),
        ("/dashboard/hpotool/", False),
    ],
)
def test_only_the_pages_below_the_mount_are_theirs(path: str, is_ours: bool) -> None:
    ours, theirs = Application(b"ours", "text/plain"), Application(b"theirs", "text/plain")
    assert ask(beside(theirs, "/hpotool", ours), path)[2] == (b"ours" if is_ours else b"theirs")


def test_the_dashboard_s_pages_get_a_link_and_are_otherwise_as_they_were() -> None:
    dashboard = Application(PAGE)
    status, headers, body = ask(beside(dashboard, "/hpotool", Application(b"")), "/dashboard/studies/3")
    assert status == "200 OK"
    assert int(headers["Content-Length"]) == len(body)
    assert "ETag" not in headers  # it would be that of the page without the link
    before, after = PAGE.split(b"</body>")
    assert body.startswith(before)
    assert body.endswith(b"</body>" + after)
    assert b'href="/hpotool/"' in body
    assert dashboard.is_closed


def test_a_browser_s_copy_is_not_confirmed_without_the_link() -> None:
    dashboard = Application(PAGE)
    ask(beside(dashboard, "/hpotool", Application(b"")), "/dashboard", HTTP_IF_NONE_MATCH="x", HTTP_HOST="h")
    assert "HTTP_IF_NONE_MATCH" not in dashboard.asked[0]
    assert dashboard.asked[0]["HTTP_HOST"] == "h"


@pytest.mark.parametrize(
    ("path", "method"), [("/static/bundle.js", "GET"), ("/dashboard", "HEAD"), ("/api/studies/1", "PUT")]
)
def test_everything_else_passes_through_unread(path: str, method: str) -> None:
    dashboard = Application(PAGE)
    _, headers, body = ask(beside(dashboard, "/hpotool", Application(b"")), path, method)
    assert (headers["ETag"], body) == ("x", PAGE)


def test_what_is_no_page_is_not_changed() -> None:
    dashboard = Application(b'{"a": "</body>"}', "application/json")
    assert ask(beside(dashboard, "/hpotool", Application(b"")), "/dashboard")[2] == dashboard.body
