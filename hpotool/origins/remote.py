"""Data at a URL: identified by what its server says about it, without loading it."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any

from hpotool.study.origins.content import hash_text

_PATIENCE_S = 10.0
# What stores say about an object, as fsspec passes it on; the first that is there identifies the content.
_MARKS = (
    "ETag",
    "etag",
    "md5Hash",
    "content_md5",
    "checksum",
    "LastModified",
    "last_modified",
    "mtime",
    "updated",
)
_HEADERS = ("ETag", "Last-Modified")


class UnknownContentError(Exception):
    """What is at the URL cannot be told; the message says why."""


def read_url(url: str) -> dict[str, Any]:
    """What identifies the content at ``url``: an ETag, a checksum or a time.

    Raises:
        UnknownContentError: with the reason.
    """
    if url.startswith(("http://", "https://")):
        return _read_http(url)
    return _read_store(url)


def _read_http(url: str) -> dict[str, Any]:
    try:
        headers = _ask(url, "HEAD")
    except urllib.error.HTTPError as error:
        if error.code not in (403, 405, 501):
            raise UnknownContentError(f"its server answers {error.code} {error.reason}") from error
        headers = _ask_get(url)  # a signed URL is often good for GET alone
    except (OSError, HTTPException, ValueError) as error:
        raise UnknownContentError(f"its server does not answer: {error}") from error
    for name in _HEADERS:
        if headers.get(name):
            return {"hash": hash_text(f"{name} {headers[name]}"), name.lower(): headers[name]}
    raise UnknownContentError("its server names neither an ETag nor a time of change")


def _ask_get(url: str) -> Mapping[str, str]:
    try:
        return _ask(url, "GET")
    except urllib.error.HTTPError as error:
        raise UnknownContentError(f"its server answers {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise UnknownContentError(f"its server does not answer: {error}") from error


def _ask(url: str, method: str) -> Mapping[str, str]:
    """The headers of the answer; its body is not read."""
    request = urllib.request.Request(url, method=method)
    with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
        return dict(answer.headers.items())


def _read_store(url: str) -> dict[str, Any]:
    """An object or a folder of a store, as fsspec lists it."""
    try:
        import fsspec
    except ImportError:
        raise UnknownContentError("it needs fsspec: pip install 'hpotool[fsspec]'") from None
    try:
        store, path = fsspec.core.url_to_fs(url)
        found = store.find(path, detail=True)
    except (OSError, ImportError, ValueError) as error:
        raise UnknownContentError(f"it cannot be listed: {error}") from error
    if not found:
        raise UnknownContentError("there is nothing")
    marks = {name: _mark(name, entry) for name, entry in sorted(found.items())}
    size = sum(int(entry.get("size") or 0) for entry in found.values())
    return {"hash": hash_text(repr(sorted(marks.items()))), "bytes": size, "count": len(found)}


def _mark(name: str, entry: Mapping[str, Any]) -> str:
    for key in _MARKS:
        if entry.get(key):
            return f"{entry.get('size')} {key} {entry[key]}"
    raise UnknownContentError(f"its store says of {name} neither a checksum nor a time of change")
