"""One request and its response, apart from WSGI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MOUNT = "/hpotool"
_LONGEST_FORM = 2 << 20  # bytes; a character of a long note may take nine
_FORM = "application/x-www-form-urlencoded"

# Nothing is loaded from elsewhere, no text of a study can become a script, and no other site can frame a button.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With "no-referrer", a browser would send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
}


@dataclass(frozen=True)
class Request:
    """A request below `MOUNT`.

    Attributes:
        path: the parts of the path below the mount.
        form: the fields of a submitted form; empty if there is none, or it is too large.
        user: who has logged in; ``None`` where no login is required.
        is_refresh: a page that is open already asks for its own newer state.
    """

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    host: str = ""
    origin: str | None = None
    site: str | None = None
    user: str | None = None
    is_refresh: bool = False

    @classmethod
    def read(cls, environment: WSGIEnvironment) -> Request:
        """Read the request that a server received."""
        path = environment.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace").removeprefix(MOUNT)
        return cls(
            method=environment["REQUEST_METHOD"],
            path=tuple(part for part in path.split("/") if part),
            query=_pairs(environment.get("QUERY_STRING", "")),
            form=_read_form(environment),
            cookies=_read_cookies(environment.get("HTTP_COOKIE", "")),
            host=environment.get("HTTP_HOST", "").lower(),
            origin=environment.get("HTTP_ORIGIN"),
            site=environment.get("HTTP_SEC_FETCH_SITE"),
            user=environment.get("REMOTE_USER") or None,
            is_refresh="HTTP_X_HPOTOOL_REFRESH" in environment,
        )


@dataclass(frozen=True)
class Response:
    """A response; every one has the headers that keep a page to itself."""

    body: bytes = b""
    status: str = "200 OK"
    kind: str = "text/html; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    cache: str = "no-store"

    def all_headers(self) -> list[tuple[str, str]]:
        """Return the headers to send."""
        own = [
            ("Content-Type", self.kind),
            ("Content-Length", str(len(self.body))),
            ("Cache-Control", self.cache),
        ]
        return [*own, *_HEADERS.items(), *self.headers]


def see_other(path: str, *headers: tuple[str, str]) -> Response:
    """Return a redirect that a browser follows with GET, so that a reload does not repeat an action."""
    return Response(status="303 See Other", headers=(("Location", path), *headers))


def _read_form(environment: WSGIEnvironment) -> dict[str, str]:
    kind = environment.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if environment["REQUEST_METHOD"] != "POST" or kind != _FORM:
        return {}
    try:
        length = int(environment.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return {}
    if not 0 < length <= _LONGEST_FORM:
        return {}
    return _pairs(environment["wsgi.input"].read(length).decode("utf-8", "replace"))


def _pairs(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=50))
    except ValueError:  # more fields than any form of ours has
        return {}


def _read_cookies(text: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(text).items()}
    except CookieError:
        return {}
