"""Sends one text to one address, by apprise."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

from hpotool.errors import InputError
from hpotool.tracking.notify.addresses import VARIABLE, describe_address


class Sender:
    """Sends to some addresses. What goes wrong is a False, never an error."""

    def __init__(self, addresses: Sequence[str]) -> None:
        """Look at the addresses; nothing is sent.

        Raises:
            InputError: there is none, apprise is not installed here, or does not know one.
        """
        if not addresses:
            raise InputError(
                "nothing says where notices go", f"export {VARIABLE}=mailto://USER:PASSWORD@example.org"
            )
        try:
            import apprise
        except ImportError:
            raise InputError("apprise is not installed here", "pip install 'hpotool[notify]'") from None
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # its lines show addresses
        self.addresses = tuple(addresses)
        self._apprises = {}
        for place, address in enumerate(addresses, 1):
            self._apprises[address] = one = apprise.Apprise()
            if not one.add(address):
                raise InputError(
                    f"address {place} ({describe_address(address)}) is none that apprise knows",
                    "https://appriseit.com/services/ says how each service is written",
                )

    def send(self, address: str, title: str, body: str) -> bool:
        """Send to one of the addresses; whether it was taken."""
        import apprise

        taken = self._apprises[address].notify(
            title=title, body=body, body_format=apprise.NotifyFormat.TEXT, interpret_escapes=False
        )
        return bool(taken)


def fingerprint(address: str, salt: str) -> str:
    """What stands for an address where it must not be stored."""
    return hashlib.sha256(f"{salt} {address}".encode()).hexdigest()[:16]
