"""Where notices go: addresses as apprise writes them, from the environment or a file that only its owner reads.

They hold passwords and tokens. None is ever stored, logged or shown whole.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from urllib.parse import urlsplit

from hpotool.errors import InputError
from hpotool.settings import config_file

VARIABLE = "HPOTOOL_NOTIFY"
_SHOW_HOST = ("json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos")  # elsewhere it may be a token


def read_addresses() -> list[str]:
    """The addresses in force: those of HPOTOOL_NOTIFY, or of the files that it names; else those of the file
    ``notify`` beside the config file. Empty where there is none.

    Raises:
        InputError: a file cannot be read, or others can read it too.
    """
    words = os.environ.get(VARIABLE, "").split()
    default = default_file()
    if not words and default.exists():
        words = [str(default)]
    return [address for word in words for address in ([word] if "://" in word else _read_file(Path(word)))]


def default_file() -> Path:
    """The file of addresses that needs no variable."""
    return config_file().with_name("notify")


def describe_address(address: str) -> str:
    """An address without what is secret in it."""
    scheme = address.partition("://")[0]
    try:
        host = urlsplit(address).hostname if scheme in _SHOW_HOST else None
    except ValueError:
        host = None
    return f"{scheme}://{host or '…'}"


def _read_file(path: Path) -> list[str]:
    path = path.expanduser()
    try:
        found = path.stat()
        if found.st_uid not in (os.geteuid(), 0) or stat.S_IMODE(found.st_mode) & 0o077:
            raise InputError(
                f"{path} holds addresses with their passwords, and others can read it", f"chmod 600 {path}"
            )
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise InputError(
            f"{VARIABLE} has neither addresses nor a file of them: {path} cannot be read ({why})",
            f"export {VARIABLE}=mailto://USER:PASSWORD@example.org",
        ) from None
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
