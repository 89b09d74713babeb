"""Processes that end with the test that started them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def child_process(command: Any, **arguments: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start a process; kill it at the end of the block.

    ``with subprocess.Popen(...)`` waits for the process instead: where an assertion in the block fails, for ever.
    """
    with subprocess.Popen(command, **arguments) as process:
        try:
            yield process
        finally:
            process.kill()
