from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hpotool.origins.remote import UnknownContentError, read_url


class _Server(BaseHTTPRequestHandler):
    """Answers by the path: its ETag, its time, nothing, or a refusal of HEAD."""

    def do_HEAD(self) -> None:
        self._answer(405 if self.path.startswith("/get-only") else 404 if self.path == "/none" else 200)

    def do_GET(self) -> None:
        self._answer(403 if self.path == "/get-only-refused" else 200)

    def _answer(self, code: int) -> None:
        self.send_response(code)
        if self.path in ("/etag-1", "/etag-2", "/get-only"):
            self.send_header("ETag", f'"{self.path}"')
        if self.path != "/nothing":
            self.send_header("Last-Modified", "Tue, 15 Nov 1994 12:45:26 GMT")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    found = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{found.server_port}"
    found.shutdown()
    thread.join()
    found.server_close()


def test_an_etag_or_a_time_identifies_what_is_at_a_url(server: str) -> None:
    one, other = read_url(f"{server}/etag-1"), read_url(f"{server}/etag-2")
    assert one["etag"] == '"/etag-1"'
    assert one["hash"] != other["hash"]
    assert read_url(f"{server}/time")["last-modified"].endswith("GMT")
    assert read_url(f"{server}/etag-1") == one
    assert read_url(f"{server}/get-only")["etag"], "a server that refuses HEAD is asked with GET"


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/none", "answers 404"), ("/nothing", "neither an ETag"), ("/get-only-refused", "answers 403")],
)
def test_what_cannot_be_identified_says_why(server: str, path: str, reason: str) -> None:
    with pytest.raises(UnknownContentError, match=reason):
        read_url(server + path)


def test_a_server_that_is_away_says_so() -> None:
    with pytest.raises(UnknownContentError, match="does not answer"):
        read_url("http://127.0.0.1:1/x")


def test_a_store_is_asked_through_fsspec(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    url = f"file://{tmp_path}"
    one = read_url(url)
    assert (one["bytes"], one["count"]) == (1, 1)
    (tmp_path / "b").write_text("2")
    assert read_url(url)["hash"] != one["hash"]
    with pytest.raises(UnknownContentError, match="there is nothing"):
        read_url(f"file://{tmp_path}/none")
    with pytest.raises(UnknownContentError, match="cannot be listed"):
        read_url("nosuchstore://x")
