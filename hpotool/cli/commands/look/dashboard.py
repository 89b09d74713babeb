"""``hpotool dashboard``."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import StorageOption
from hpotool.cli.output import say

if TYPE_CHECKING:
    from hpotool.server.metrics import MetricsPage
    from hpotool.storage.database.url import DatabaseUrl

LOGIN_VARIABLE = "HPOTOOL_DASHBOARD_LOGIN"


def dashboard(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Port; 0 for any free one.")] = 8080,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse all changes to studies.")] = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the browser.")] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="Also answer to this host name, for a proxy or a DNS entry; can be repeated.",
            show_default=False,
        ),
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Show studies in a browser, until Ctrl-C. Set HPOTOOL_DASHBOARD_LOGIN=USER:PASSWORD to require a login.

    With the extra `metrics`, it answers Prometheus at /metrics, behind the same login.
    """
    from hpotool.cli.database import resolve_url
    from hpotool.server.dashboard import DashboardServer, Login, require_dashboard
    from hpotool.storage.open import open_storage

    require_dashboard()
    login = Login.parse(os.environ[LOGIN_VARIABLE]) if os.environ.get(LOGIN_VARIABLE) else None
    url = resolve_url(storage)
    server = DashboardServer(
        open_storage(url.sqlalchemy),
        host,
        port,
        read_only=read_only,
        login=login,
        names=allow_host or (),
        metrics=_metrics(url),
    )
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    if login is None and not read_only and host not in ("127.0.0.1", "::1", "localhost"):
        say(f"anyone who can reach {host} can change and delete studies: use --read-only, or set {LOGIN_VARIABLE}")
    say(f"dashboard: {server.url} (Ctrl-C to quit)")
    if open_browser:
        import webbrowser

        webbrowser.open(server.url)
    server.serve()


def _metrics(url: DatabaseUrl) -> MetricsPage | None:
    """The page for Prometheus; None without the extra that it needs."""
    import importlib.util

    from hpotool.server.metrics import MetricsPage
    from hpotool.settings import read_pulse
    from hpotool.storage.database.connection import Connection

    if importlib.util.find_spec("prometheus_client") is None:
        return None
    return MetricsPage.of(Connection(url), read_pulse())


def _leave(signal_number: int, frame: FrameType | None) -> None:
    """End the server's loop: a stop signal is the normal way for a dashboard to end."""
    sys.exit(0)
