"""Ends an attempt's process as Python ends one, without taking the interpreter apart.

The order is that of a normal exit: executors and threads that are no daemons are waited for, then what was
registered with ``atexit`` runs, the latest first, multiprocessing's own exit and the file buffers. What importing
the objective registered is left to the fork server that all children come from. Taking the interpreter apart as
well would cost a process that has loaded torch longer than its whole attempt.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import io
import logging
import sys
import threading
import weakref
from collections.abc import Iterable
from typing import IO, Any

_BUFFERED = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


def disown_exit_handlers() -> None:
    """Leave to the parent what it registered: a child that ran it would clean up for everybody."""
    atexit._clear()
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        finalizer.atexit = False
    # These three do nothing of the parent's, and Python registers them but once.
    atexit.register(weakref.finalize._exitfunc)  # type: ignore[attr-defined]
    atexit.register(logging.shutdown)
    if utilities := sys.modules.get("multiprocessing.util"):
        atexit.register(utilities._exit_function)


def run_exit_handlers(inherited: Iterable[IO[Any]]) -> None:
    """Wait for what the objective has left running, and let it save what it has not saved.

    ``inherited``: the files that were open already when the attempt's process was forked.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    flush_files(inherited)
    flush_files(open_files())


def open_files() -> list[IO[Any]]:
    """The files that may hold something unwritten."""
    # By type(): an isinstance() would ask lazily imported modules for their __class__, and so import them.
    return [thing for thing in gc.get_objects() if issubclass(type(thing), _BUFFERED)]


def flush_files(files: Iterable[IO[Any]]) -> None:
    """Write what their buffers hold, and what C's hold."""
    for file in files:
        with contextlib.suppress(OSError, ValueError):  # a full disk, or it is closed
            file.flush()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).fflush(None)
