"""``hpotool metrics``: what Prometheus reads, once or as a server."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hpotool.cli.options import StorageOption
from hpotool.cli.output import say
from hpotool.cli.serving import AllowHostOption, HostOption, PortOption, end_on_signals, read_login
from hpotool.errors import InputError

_HOST, _PORT = "127.0.0.1", 9464


def metrics(
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve it at /metrics, until Ctrl-C (--host, --port, --allow-host).")
    ] = False,
    host: HostOption = _HOST,
    port: PortOption = _PORT,
    allow_host: AllowHostOption = None,
    storage: StorageOption = None,
) -> None:
    """Print the state of all studies and workers in Prometheus's text format, or serve it.

    `hpotool dashboard` serves the same page. Set HPOTOOL_DASHBOARD_LOGIN=USER:PASSWORD to require a login.
    """
    from hpotool.cli.database import connect
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
    server = MetricsServer(page, host, port, read_login(), allow_host or ())
    end_on_signals()
    shown = f"[{host}]" if ":" in host else host
    say(f"metrics: http://{shown}:{server.port}{PATH} (Ctrl-C to quit)")
    server.serve()
