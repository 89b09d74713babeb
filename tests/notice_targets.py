"""Real places that notices arrive at: a mail server and a webhook, on loopback, each of which can be down."""

from __future__ import annotations

import email
import email.policy
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller


class MailServer:
    """Keeps the subjects and texts of the mails that it takes."""

    def __init__(self) -> None:
        self.subjects: list[str] = []
        self.texts: list[str] = []
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        self.controller = Controller(self, hostname="127.0.0.1", port=port, ready_timeout=60)
        self.address = f"mailto://127.0.0.1:{port}?from=hpotool@example.org&to=ann@example.org"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.subjects.append(str(mail["Subject"]))
        self.texts.append(mail.get_body(("plain",)).get_content().replace("\r\n", "\n").strip())
        return "250 OK"


@contextmanager
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    server.controller.start()
    try:
        yield server
    finally:
        server.controller.stop()


class Webhook:
    """Keeps the titles and texts of what is posted to it; while it is down it refuses everything."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self.texts: list[str] = []
        self.is_down = False
        self.refused = 0
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if hook.is_down:
                    hook.refused += 1
                    self.send_error(503)
                    return
                hook.titles.append(content["title"])
                hook.texts.append(content["message"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"json://127.0.0.1:{self._server.server_port}/hooks/secret-token"

    def serve(self) -> None:
        self._server.serve_forever()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def webhook() -> Iterator[Webhook]:
    hook = Webhook()
    thread = threading.Thread(target=hook.serve, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        hook.close()
        thread.join()
