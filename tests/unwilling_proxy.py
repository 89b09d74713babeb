"""A proxy before an HTTP server: slow, and now and then it answers 500 although the server did what was asked."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def unwilling_proxy(address: str, delay_s: float, fails_every: int) -> Iterator[str]:
    """The proxy's address. Each request takes so long, and every so many fails once the server has heard it."""
    heard = iter(range(1, 10**9))

    class Handler(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            number = next(heard)
            time.sleep(delay_s)
            kind = self.headers.get("Content-Type") or "application/json"
            asked = urllib.request.Request(
                address + self.path, body or None, {"Content-Type": kind}, method=self.command
            )
            try:
                with urllib.request.urlopen(asked, timeout=60) as answer:
                    status, content = answer.status, answer.read()
            except urllib.error.HTTPError as error:
                status, content = error.code, error.read()
            if number % fails_every == 0:
                status, content = 500, b"<html>internal error</html>"
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if status != 500 else "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    for method in ("GET", "POST", "PATCH", "PUT", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.pass_on)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
