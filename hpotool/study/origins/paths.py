"""The paths and URLs of data in a study file."""

from __future__ import annotations

from urllib.parse import urlsplit


def check_data_path(path: str) -> str:
    """``path`` where it can name data and gives no password away.

    Raises:
        ValueError: it cannot, or holds a password: a study file is for everybody to read.
    """
    if not path.strip() or "\0" in path:
        raise ValueError("data is a path or a URL, like data/train.csv")
    try:
        has_password = "://" in path and urlsplit(path).password is not None
    except ValueError:
        raise ValueError(f"{path!r} is no URL") from None
    if has_password:
        raise ValueError(
            "a URL of data must hold no password; give it to the workers in the store's own variables"
        )
    return path
