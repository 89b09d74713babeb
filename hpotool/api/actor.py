"""The person at the keyboard, for the event log."""

from __future__ import annotations

import getpass
import socket


def current_actor() -> str:
    """``user@host``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container without a passwd entry
        user = "somebody"
    return f"{user}@{socket.gethostname()}"
