"""``hpotool metrics``: what Prometheus reads, once or as a server."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from hpotool.cli.options import StorageOption
from hpotool.cli.output import say
from hpotool.errors import InputError

_HOST, _PORT = "127.0.0.1", 9464
_LOGIN_VARIABLE = "HPOTOOL_DASHBOARD_LOGIN"  # one login for everything that is served


def metrics(
    serve: Annotated[bool, typer.Option("--serve", help="Serve it at /metrics, until Ctrl-C.")] = False,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="With --serve: address to listen on.")] = _HOST,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="With --serve: port; 0 for any free one.")
    ] = _PORT,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="With --serve: also answer to this host name; can be repeated.",
            show_default=False,
        ),
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Print the state of all studies and workers in Prometheus's text format, or serve it.

    `hpotool dashboard` serves the same page. Set HPOTOOL_DASHBOARD_LOGIN=USER:PASSWORD to require a login.
    """
    from hpotool.cli.database import connect
    from hpotool.server.dashboard import Login
    from hpotool.server.metrics import PATH, MetricsPage
    from hpotool.server.metrics_server import MetricsServer
    from hpotool.settings import read_pulse

    if not serve and ((host, port) != (_HOST, _PORT) or allow_host):
        raise InputError(
            "--host, --port and --allow-host are for --serve, which is missing", "hpotool metrics --serve"
        )
    page = MetricsPage.of(connect(storage), read_pulse())
    if not serve:
        sys.stdout.write(page.text().decode())
        return
    given = os.environ.get(_LOGIN_VARIABLE)
    server = MetricsServer(page, host, port, Login.parse(given) if given else None, allow_host or ())
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    shown = f"[{host}]" if ":" in host else host
    say(f"metrics: http://{shown}:{server.port}{PATH} (Ctrl-C to quit)")
    server.serve()


def _leave(signal_number: int, frame: FrameType | None) -> None:
    """End the server's loop: a stop signal is the normal way for a server to end."""
    sys.exit(0)
