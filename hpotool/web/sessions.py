"""Who may press a button: a logged-in person, on a page that this server made for their browser.

Promise: no page of another site can change anything, even in the browser of somebody who is logged in. A form
contains a token that only pages of this server contain, bound to the browser's session cookie and to the user; and
the browser itself must name this server as the origin of the form.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from hpotool.web.exchange import MOUNT, Request

COOKIE = "hpotool-session"
_MOST_NOTICES = 1_000
_SAME_SITE = ("same-origin", None)  # a browser that is too old for the header sends none


@dataclass(frozen=True)
class Notice:
    """What came of an action, shown on the next page."""

    text: str
    hint: str | None = None
    is_error: bool = False


@dataclass(frozen=True)
class Session:
    """One browser. ``cookie`` is the header to send if it is new."""

    session_id: str
    token: str
    cookie: tuple[tuple[str, str], ...] = ()


@dataclass
class Sessions:
    """The sessions of this server, until it ends. Nothing is stored but notices that have not been shown yet."""

    may_act: bool
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _notices: OrderedDict[str, Notice] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, request: Request) -> Session | None:
        """Return the browser's session; ``None`` where nobody may act, who then gets no cookie either."""
        if not self.may_act or request.user is None:
            return None
        known = request.cookies.get(COOKIE, "")
        if known:
            return Session(known, self._token(known, request.user))
        new = secrets.token_urlsafe(24)
        cookie = f"{new}; Path={MOUNT}; HttpOnly; SameSite=Lax"
        return Session(new, self._token(new, request.user), (("Set-Cookie", f"{COOKIE}={cookie}"),))

    def reason_to_refuse(self, request: Request) -> str | None:
        """Return why this request may not change anything; ``None`` if it may."""
        if not self.may_act:
            return "these pages change nothing: set HPOTOOL_DASHBOARD_LOGIN, and leave out --read-only"
        if request.user is None:
            return "nobody has logged in"
        if request.site not in _SAME_SITE or not _is_from(request.host, request.origin):
            return "a page of another site made this request"
        session_id = request.cookies.get(COOKIE, "")
        given = request.form.get("token", "")
        if not session_id or not hmac.compare_digest(
            given.encode(), self._token(session_id, request.user).encode()
        ):
            return "this page is out of date: go back, reload it, and try again"
        return None

    def leave_notice(self, request: Request, notice: Notice) -> None:
        """Keep a notice for the browser's next page."""
        with self._lock:
            self._notices[request.cookies[COOKIE]] = notice
            while len(self._notices) > _MOST_NOTICES:
                self._notices.popitem(last=False)

    def take_notice(self, request: Request) -> Notice | None:
        """Return the browser's notice, once. A page that refreshes itself does not take it from a person."""
        if request.is_refresh:
            return None
        with self._lock:
            return self._notices.pop(request.cookies.get(COOKIE, ""), None)

    def _token(self, session_id: str, user: str) -> str:
        message = f"{session_id}\0{user}".encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()


def _is_from(host: str, origin: str | None) -> bool:
    return origin is not None and bool(host) and origin.lower().partition("://")[2] == host
