"""Runs optuna-dashboard on the database, optionally with a login or read-only, without a password in ``ps``."""

from __future__ import annotations

import base64
import hmac
import importlib.util
import ipaddress
import json
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hpotool.errors import InputError
from hpotool.server.beside import beside
from hpotool.server.metrics import with_metrics

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from optuna.storages import BaseStorage

_READING = ("GET", "HEAD", "OPTIONS")
_THREADS = 8


@dataclass(frozen=True)
class Login:
    """The user name and password that every request must contain."""

    user: str
    password: str

    @classmethod
    def parse(cls, text: str) -> Login:
        """Read ``USER:PASSWORD``.

        Raises:
            InputError: it is not of that form. The message does not repeat it.
        """
        user, colon, password = text.partition(":")
        if not (user and colon and password):
            raise InputError(
                "HPOTOOL_DASHBOARD_LOGIN is not of the form USER:PASSWORD",
                "export HPOTOOL_DASHBOARD_LOGIN=ann:a-password",
            )
        return cls(user, password)

    def __repr__(self) -> str:
        return f"Login(user={self.user!r})"

    def admits(self, authorization: str) -> bool:
        """Whether a request's Authorization header contains the login."""
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(encoded, validate=True)
        except ValueError:  # not base64, or not ASCII
            return False
        return hmac.compare_digest(given, f"{self.user}:{self.password}".encode())


@dataclass(frozen=True)
class Doorkeeper:
    """Distinguishes requests of the dashboard's own pages from those that other web pages make a browser send.

    A foreign page can give its own host name this machine's address (DNS rebinding), but then ``Host`` contains
    that name. So a request must name an address, ``localhost`` or one of ``names``; and a request that changes
    something must not come from a page of another origin.
    """

    names: frozenset[str]

    @classmethod
    def of(cls, host: str, names: Sequence[str]) -> Doorkeeper:
        """That of a server on ``host``, with further names."""
        known = ("localhost", host, socket.gethostname(), *names)
        return cls(frozenset(name.lower().rstrip(".") for name in known))

    def reason_to_refuse(self, environment: WSGIEnvironment) -> str | None:
        """Why this request is refused; None if it is allowed."""
        host = environment.get("HTTP_HOST", "").lower()
        if not self._is_ours(host):
            return f"{host!r} is not a name of this dashboard; if it should be, start it with --allow-host NAME"
        if environment["REQUEST_METHOD"] not in _READING and not _is_same_origin(environment, host):
            return "a page of another site made this request"
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            urlsplit(f"//{host}").port  # noqa: B018  (raises where it is none)
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name.rstrip(".") in self.names
        return True


def _is_same_origin(environment: WSGIEnvironment, host: str) -> bool:
    """Whether no header names another site as the origin. Programs that are not browsers send neither header."""
    site = environment.get("HTTP_SEC_FETCH_SITE", "same-origin").lower()
    origin = environment.get("HTTP_ORIGIN")
    return site in ("same-origin", "none") and (origin is None or origin.lower().partition("://")[2] == host)


class DashboardServer:
    """A threaded web server that shows the studies in ``storage``. It listens as soon as it is created.

    Args:
        names: its host names besides its addresses, ``localhost``, ``host`` and this machine's name
        metrics: the page at ``/metrics``, behind the same login and names
        pages: further pages, and the path below which they are

    Raises:
        InputError: the ``dashboard`` extra is not installed, or it cannot listen on the address.
    """

    def __init__(
        self,
        storage: BaseStorage,
        host: str,
        port: int,
        *,
        read_only: bool = False,
        login: Login | None = None,
        names: Sequence[str] = (),
        metrics: WSGIApplication | None = None,
        pages: tuple[str, WSGIApplication] | None = None,
    ) -> None:
        require_dashboard()
        import optuna_dashboard
        from waitress.server import create_server

        application = _naming_encodings(optuna_dashboard.wsgi(storage))
        if pages is not None:
            application = beside(application, *pages)
        application = with_metrics(application, metrics)
        if read_only:
            application = _reading_only(application)
        if login is not None:
            application = logged_in(application, login)
        application = guarded(application, Doorkeeper.of(host, names))
        listener = listen(host, port)
        self._listener = listener
        self._server = create_server(application, sockets=[listener], threads=_THREADS, ident=None)

    @property
    def url(self) -> str:
        """The URL for a browser on this machine."""
        host, port = self._listener.getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    def serve(self) -> None:
        """Answer requests until SystemExit is raised in this thread; then finish the open ones."""
        try:
            self._server.run()
        finally:
            self._server.close()


def require_dashboard() -> None:
    """Check that the ``dashboard`` extra is installed.

    Raises:
        InputError: it is not.
    """
    if any(importlib.util.find_spec(package) is None for package in ("optuna_dashboard", "waitress", "jinja2")):
        raise InputError("the dashboard is not installed", "pip install 'hpotool[dashboard]'")


def listen(host: str, port: int, command: str = "hpotool dashboard") -> socket.socket:
    """Listen on the address, for a command that takes another one as ``--host``.

    Raises:
        InputError: it is none of this machine, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError):
        raise InputError(f"{host} is not an address of this machine", f"{command} --host 127.0.0.1") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        raise InputError(
            f"{command} cannot listen on port {port} of {host}: {(error.strerror or str(error)).lower()}",
            "choose another with --port (0: any free one) or another --host",
        ) from error
    return listener


def _naming_encodings(application: WSGIApplication) -> WSGIApplication:
    """Ask for unpacked files where a request has no Accept-Encoding: without it, optuna-dashboard answers 500."""

    def answer(environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return application({"HTTP_ACCEPT_ENCODING": "identity"} | environment, start_response)

    return answer


def _reading_only(application: WSGIApplication) -> WSGIApplication:
    """Refuse all requests that could change something."""

    def answer(environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environment["REQUEST_METHOD"] in _READING:
            return application(environment, start_response)
        # The page shows "reason" to its user.
        return _refuse(start_response, "403 Forbidden", "this dashboard is read-only")

    return answer


def guarded(application: WSGIApplication, doorkeeper: Doorkeeper) -> WSGIApplication:
    """Refuse all requests that another site's page may have made a browser send."""

    def answer(environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        reason = doorkeeper.reason_to_refuse(environment)
        if reason is None:
            return application(environment, start_response)
        return _refuse(start_response, "403 Forbidden", reason)

    return answer


def logged_in(application: WSGIApplication, login: Login) -> WSGIApplication:
    """Refuse all requests without the login."""

    def answer(environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if login.admits(environment.get("HTTP_AUTHORIZATION", "")):
            return application(environment | {"REMOTE_USER": login.user}, start_response)
        challenge = ("WWW-Authenticate", 'Basic realm="hpotool", charset="UTF-8"')
        return _refuse(start_response, "401 Unauthorized", "this dashboard needs a login", challenge)

    return answer


def _refuse(start_response: StartResponse, status: str, reason: str, *headers: tuple[str, str]) -> list[bytes]:
    body: dict[str, Any] = {"reason": reason}
    start_response(status, [("Content-Type", "application/json"), *headers])
    return [json.dumps(body).encode()]
