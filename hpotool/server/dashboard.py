"""optuna-dashboard on a study's database: with a login or read-only where asked for, and no password in ``ps``."""

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

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from optuna.storages import BaseStorage

_READING = ("GET", "HEAD", "OPTIONS")
_THREADS = 8


@dataclass(frozen=True)
class Login:
    """The user name and password that every request has to bring."""

    user: str
    password: str

    @classmethod
    def parse(cls, text: str) -> Login:
        """Read ``USER:PASSWORD``.

        Raises:
            InputError: it is not of that form. What it is is not repeated.
        """
        user, colon, password = text.partition(":")
        if not (user and colon and password):
            raise InputError("HPOTOOL_DASHBOARD_LOGIN is not of the form USER:PASSWORD", "export it again")
        return cls(user, password)

    def __repr__(self) -> str:
        return f"Login(user={self.user!r})"

    def admits(self, authorization: str) -> bool:
        """Whether a request's Authorization header proves the login."""
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(encoded, validate=True)
        except ValueError:  # no base64, or no ASCII
            return False
        return hmac.compare_digest(given, f"{self.user}:{self.password}".encode())


@dataclass(frozen=True)
class Doorkeeper:
    """Tells requests of the dashboard's own pages from those that another web page makes a browser send.

    A page from elsewhere can give its own name this machine's address (DNS rebinding), but then ``Host`` holds
    that name. So a request must name an address, ``localhost`` or one of ``names``; and one that changes something
    must not come from a page of another origin.
    """

    names: frozenset[str]

    def reason_to_refuse(self, environment: WSGIEnvironment) -> str | None:
        """Why this request is not answered; None where it is."""
        host = environment.get("HTTP_HOST", "").lower()
        if not self._is_ours(host):
            return f"this dashboard is not called {host!r}; start it with --allow-host and that name if it is"
        if environment["REQUEST_METHOD"] not in _READING and not _is_same_origin(environment, host):
            return "a page of another site asked for this"
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
    """Whether no header says that another site's page asks. Programs that are no browsers send neither header."""
    site = environment.get("HTTP_SEC_FETCH_SITE", "same-origin").lower()
    origin = environment.get("HTTP_ORIGIN")
    return site in ("same-origin", "none") and (origin is None or origin.lower().partition("://")[2] == host)


class DashboardServer:
    """A threaded web server that shows the studies of ``storage``. It listens from its construction on.

    Args:
        names: what it is called besides its addresses, ``localhost``, ``host`` and this machine's name

    Raises:
        InputError: the ``dashboard`` extra is not installed, or the address cannot be listened on.
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
    ) -> None:
        require_dashboard()
        import optuna_dashboard
        from waitress.server import create_server

        application = optuna_dashboard.wsgi(storage)
        if read_only:
            application = _reading_only(application)
        if login is not None:
            application = _logged_in(application, login)
        known = ("localhost", host, socket.gethostname(), *names)
        application = _guarded(application, Doorkeeper(frozenset(name.lower().rstrip(".") for name in known)))
        listener = _listen(host, port)
        self._listener = listener
        self._server = create_server(application, sockets=[listener], threads=_THREADS, ident=None)

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host, port = self._listener.getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    def serve(self) -> None:
        """Answer requests until SystemExit is raised in this thread; then finish what is begun."""
        try:
            self._server.run()
        finally:
            self._server.close()


def require_dashboard() -> None:
    """Nothing, when the ``dashboard`` extra is installed.

    Raises:
        InputError: it is not.
    """
    if any(importlib.util.find_spec(package) is None for package in ("optuna_dashboard", "waitress")):
        raise InputError("the dashboard is not installed", "pip install 'hpotool[dashboard]'")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError):
        raise InputError(
            f"{host} is not an address of this machine", "hpotool dashboard --host 127.0.0.1"
        ) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        raise InputError(
            f"the dashboard cannot listen on port {port} of {host}: {(error.strerror or str(error)).lower()}",
            "choose another with --port (0: any that is free) or another --host",
        ) from error
    return listener


def _reading_only(application: WSGIApplication) -> WSGIApplication:
    """Refuse every request that could change something."""

    def answer(environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environment["REQUEST_METHOD"] in _READING:
            return application(environment, start_response)
        # The page shows "reason" to its user.
        return _refuse(start_response, "403 Forbidden", "this dashboard is read-only")

    return answer


def _guarded(application: WSGIApplication, doorkeeper: Doorkeeper) -> WSGIApplication:
    """Refuse every request that another site's page may have made a browser send."""

    def answer(environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        reason = doorkeeper.reason_to_refuse(environment)
        if reason is None:
            return application(environment, start_response)
        return _refuse(start_response, "403 Forbidden", reason)

    return answer


def _logged_in(application: WSGIApplication, login: Login) -> WSGIApplication:
    """Refuse every request without the login."""

    def answer(environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if login.admits(environment.get("HTTP_AUTHORIZATION", "")):
            return application(environment, start_response)
        challenge = ("WWW-Authenticate", 'Basic realm="hpotool", charset="UTF-8"')
        return _refuse(start_response, "401 Unauthorized", "this dashboard needs a login", challenge)

    return answer


def _refuse(start_response: StartResponse, status: str, reason: str, *headers: tuple[str, str]) -> list[bytes]:
    body: dict[str, Any] = {"reason": reason}
    start_response(status, [("Content-Type", "application/json"), *headers])
    return [json.dumps(body).encode()]
