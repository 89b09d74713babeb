"""Serves ``/metrics`` alone, for those who run no dashboard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from hpotool.server.dashboard import Doorkeeper, Login, guarded, listen, logged_in
from hpotool.server.metrics import PATH, beside

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """A line for each scrape helps nobody."""


class MetricsServer:
    """A small web server with the one page. It listens as soon as it is created.

    Raises:
        InputError: it cannot listen on the address.
    """

    def __init__(
        self, page: WSGIApplication, host: str, port: int, login: Login | None, names: Sequence[str] = ()
    ) -> None:
        application = beside(_elsewhere, page)
        if login is not None:
            application = logged_in(application, login)
        listener = listen(host, port, "hpotool metrics --serve")
        self._server = _Server(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listener
        self._server.server_name, self._server.server_port = host, listener.getsockname()[1]
        self._server.setup_environ()
        self._server.set_app(guarded(application, Doorkeeper.of(host, names)))
        self.port: int = listener.getsockname()[1]

    def serve(self) -> None:
        """Answer requests until SystemExit is raised in this thread."""
        try:
            self._server.serve_forever()
        finally:
            self._server.server_close()


def _elsewhere(environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"the metrics are at {PATH}\n".encode()]
