"""``hpotool dashboard``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import StorageOption
from hpotool.cli.output import say
from hpotool.cli.serving import (
    LOGIN_VARIABLE,
    AllowHostOption,
    HostOption,
    PortOption,
    end_on_signals,
    read_login,
)

if TYPE_CHECKING:
    from hpotool.server.metrics import MetricsPage
    from hpotool.storage.database.url import DatabaseUrl


def dashboard(
    host: HostOption = "127.0.0.1",
    port: PortOption = 8080,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse all changes to studies.")] = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the browser.")] = False,
    allow_host: AllowHostOption = None,
    storage: StorageOption = None,
) -> None:
    """Show studies in a browser, until Ctrl-C. Set HPOTOOL_DASHBOARD_LOGIN=USER:PASSWORD to require a login.

    With the extra `metrics`, it answers Prometheus at /metrics, behind the same login.
    """
    from hpotool.cli.database import resolve_url
    from hpotool.server.dashboard import DashboardServer, require_dashboard
    from hpotool.storage.open import open_storage

    require_dashboard()
    from hpotool.web.exchange import MOUNT
    from hpotool.web.pages import Pages

    login = read_login()
    url = resolve_url(storage)
    opened = open_storage(url.sqlalchemy)
    server = DashboardServer(
        opened,
        host,
        port,
        read_only=read_only,
        login=login,
        names=allow_host or (),
        metrics=_metrics(url),
        pages=(MOUNT, Pages(opened, may_act=login is not None and not read_only)),
    )
    end_on_signals()
    if login is None and not read_only and host not in ("127.0.0.1", "::1", "localhost"):
        say(f"anyone who can reach {host} can change and delete studies: use --read-only, or set {LOGIN_VARIABLE}")
    say(f"dashboard: {server.url} (Ctrl-C to quit)")
    say(f"fleet, attempts and logs: {server.url.rstrip('/')}{MOUNT}/")
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
