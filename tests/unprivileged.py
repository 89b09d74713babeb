"""Run part of a test as an ordinary user when root runs the tests.

A forked child gives its rights up: everything that was imported stays usable, also where the checkout and the
virtual environment lie in a folder that is closed to others, as root's own is.
"""

from __future__ import annotations

import os
import pickle
import pwd
import traceback
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

IS_ROOT = os.geteuid() == 0
NAME = "nobody"


def own(path: os.PathLike[str]) -> None:
    """Give a file or folder to the ordinary user."""
    if IS_ROOT:
        entry = pwd.getpwnam(NAME)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def as_ordinary_user(function: Callable[[], T]) -> T:
    """What ``function`` returns (or raises as a RuntimeError) when an ordinary user runs it."""
    if not IS_ROOT:
        return function()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _report(function, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        content = answer.read()
    os.waitpid(child, 0)
    is_result, value = pickle.loads(content)
    if not is_result:
        raise RuntimeError(value)
    return value


def _report(function: Callable[[], T], writing: int) -> None:
    try:
        entry = pwd.getpwnam(NAME)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        answer = pickle.dumps((True, function()))
    except BaseException:  # noqa: BLE001  (whatever it is, the parent tells it and fails)
        answer = pickle.dumps((False, traceback.format_exc()))
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(answer)
    os._exit(0)
