"""Ends an attempt's process like Python does, but without tearing down the interpreter.

The order is that of a normal exit: executors and non-daemon threads are waited for, then ``atexit`` functions run,
latest first, then multiprocessing's exit, and file buffers are flushed. Functions registered while the objective
was imported are left to the fork server. Tearing down the interpreter would take a process that has loaded torch
longer than its whole attempt.
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
    """Leave the parent's exit functions to the parent: a child that ran them would clean up for all processes."""
    atexit._clear()
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        finalizer.atexit = False
    # These three do not affect the parent, and Python registers them only once.
    atexit.register(weakref.finalize._exitfunc)  # type: ignore[attr-defined]
    atexit.register(logging.shutdown)
    if utilities := sys.modules.get("multiprocessing.util"):
        atexit.register(utilities._exit_function)


def run_exit_handlers(inherited: Iterable[IO[Any]]) -> None:
    """Wait for threads that the objective left running, so that they can save their data.

    ``inherited``: the files that were already open when the attempt's process was forked.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    flush_files(inherited)
    flush_files(open_files())


def open_files() -> list[IO[Any]]:
    """The open files, which may have unwritten data."""
    # By type(), because isinstance() would access __class__ of lazily imported modules, and so import them.
    return [thing for thing in gc.get_objects() if issubclass(type(thing), _BUFFERED)]


def flush_files(files: Iterable[IO[Any]]) -> None:
    """Flush their buffers, and those of C."""
    for file in files:
        with contextlib.suppress(OSError, ValueError):  # a full disk, or a closed file
            file.flush()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).fflush(None)
