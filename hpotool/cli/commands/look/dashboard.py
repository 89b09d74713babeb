"""``hpotool dashboard``."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from hpotool.cli.options import StorageOption
from hpotool.cli.output import say

LOGIN_VARIABLE = "HPOTOOL_DASHBOARD_LOGIN"


def dashboard(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes any that is free.")] = 8080,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse what changes a study.")] = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="Answer to this name too, where a proxy or DNS gives it one; may be repeated.",
            show_default=False,
        ),
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Show the studies in a browser, until Ctrl-C. HPOTOOL_DASHBOARD_LOGIN=USER:PASSWORD asks for a login."""
    from hpotool.cli.database import resolve_url
    from hpotool.server.dashboard import DashboardServer, Login, require_dashboard
    from hpotool.storage.open import open_storage

    require_dashboard()
    login = Login.parse(os.environ[LOGIN_VARIABLE]) if os.environ.get(LOGIN_VARIABLE) else None
    server = DashboardServer(
        open_storage(resolve_url(storage).sqlalchemy),
        host,
        port,
        read_only=read_only,
        login=login,
        names=allow_host or (),
    )
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    if login is None and not read_only and host not in ("127.0.0.1", "::1", "localhost"):
        say(f"whoever reaches {host} can change and delete studies: use --read-only, or set {LOGIN_VARIABLE}")
    say(f"dashboard: {server.url} (Ctrl-C ends it)")
    if open_browser:
        import webbrowser

        webbrowser.open(server.url)
    server.serve()


def _leave(signal_number: int, frame: FrameType | None) -> None:
    """End the server's loop: being told to stop is how a dashboard ends well."""
    sys.exit(0)
