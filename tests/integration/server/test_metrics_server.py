"""The server of ``/metrics`` alone: its one page, its login and names, and scrapes beside each other."""

from __future__ import annotations

import base64
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from hpotool.errors import InputError
from hpotool.server.dashboard import Login
from hpotool.server.metrics_server import MetricsServer

Serve = Callable[..., str]


def page(environment: Any, start_response: Any) -> list[bytes]:
    """A page that says how it was asked."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environment["REQUEST_METHOD"].encode()]


@contextmanager
def served(application: Any, host: str, login: Login | None, names: tuple[str, ...]) -> Iterator[str]:
    server = MetricsServer(application, host, 0, login, names)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield f"http://[{host}]:{server.port}" if ":" in host else f"http://{host}:{server.port}"
    finally:
        server._server.shutdown()
        thread.join()


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as running:

        def start(
            application: Any = page,
            host: str = "127.0.0.1",
            login: Login | None = None,
            names: tuple[str, ...] = (),
        ) -> str:
            return running.enter_context(served(application, host, login, names))

        yield start


def get(url: str, **headers: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_it_listens_on_any_kind_of_address(serve: Serve, host: str) -> None:
    assert get(f"{serve(host=host)}/metrics") == (200, "GET")


def test_there_is_one_page_and_what_is_not_there_names_it(serve: Serve) -> None:
    address = serve()
    for path in ("/", "/metrics/", "/favicon.ico", "/..%2fmetrics"):
        assert get(address + path) == (404, "the metrics are at /metrics\n")
    assert get(f"{address}/metrics?format=text")[0] == 200


def test_a_login_and_the_names_hold_for_every_path(serve: Serve) -> None:
    address = serve(login=Login("ada", "secret"), names=("metrics.example",))
    right = "Basic " + base64.b64encode(b"ada:secret").decode()
    for path in ("/metrics", "/"):
        assert get(address + path)[0] == 401
        assert get(address + path, Authorization=right, Host="evil.example")[0] == 403
    assert get(f"{address}/metrics", Authorization=right, Host="metrics.example:9464") == (200, "GET")


def test_a_slow_scrape_holds_up_no_other(serve: Serve) -> None:
    both = threading.Barrier(2, timeout=60)

    def slow(environment: Any, start_response: Any) -> list[bytes]:
        both.wait()  # passes only if two requests are answered at once
        return page(environment, start_response)

    address = serve(slow)
    answers: list[tuple[int, str]] = []
    threads = [threading.Thread(target=lambda: answers.append(get(f"{address}/metrics"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(200, "GET"), (200, "GET")]


def test_a_port_that_is_taken_is_refused_with_a_way_out(serve: Serve) -> None:
    taken = int(serve().rpartition(":")[2])
    with pytest.raises(InputError, match=f"hpotool metrics --serve cannot listen on port {taken} of 127.0.0.1"):
        MetricsServer(page, "127.0.0.1", taken, None)
    with pytest.raises(InputError) as caught:
        MetricsServer(page, "256.1.1.1", 0, None)
    assert caught.value.hint == "hpotool metrics --serve --host 127.0.0.1"
