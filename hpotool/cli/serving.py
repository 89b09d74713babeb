"""What the commands that serve pages have in common: where they listen, who may come in, how they end."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hpotool.server.dashboard import Login

LOGIN_VARIABLE = "HPOTOOL_DASHBOARD_LOGIN"  # one login for everything that is served

HostOption = Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")]
PortOption = Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Port; 0 for any free one.")]
AllowHostOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        metavar="NAME",
        help="Also answer to this host name, for a proxy or a DNS entry; can be repeated.",
        show_default=False,
    ),
]


def read_login() -> Login | None:
    """The login that HPOTOOL_DASHBOARD_LOGIN requires, if it is set.

    Raises:
        InputError: it is not of the form USER:PASSWORD.
    """
    from hpotool.server.dashboard import Login

    given = os.environ.get(LOGIN_VARIABLE)
    return Login.parse(given) if given else None


def end_on_signals() -> None:
    """Exit with 0 on SIGTERM and Ctrl-C, which are the normal ways for a server to end."""
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)


def _leave(signal_number: int, frame: FrameType | None) -> None:
    sys.exit(0)
