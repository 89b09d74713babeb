"""Text files that users name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hpotool.errors import InputError, NotFoundError, quote_path


def read_text_file(path: Path, kind: str = "file", *, hint: Callable[[], str]) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Args:
        kind: what the messages call it
        hint: what to do if it does not exist

    Raises:
        NotFoundError: it does not exist.
        InputError: it cannot be read, or is no text.
    """
    quoted = quote_path(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NotFoundError(f"the {kind} {path} does not exist", hint()) from None
    except UnicodeDecodeError:
        raise InputError(f"the {kind} {path} is not UTF-8 text", f"to see what it is: file {quoted}") from None
    except OSError as error:
        raise InputError(f"the {kind} {path} cannot be read: {error.strerror}", f"ls -ld {quoted}") from None
