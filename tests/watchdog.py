"""Stops every Postgres in a test run's folder and removes the folder when the run is over, however it ended.

Started as a script with the folder as its argument. The run holds a lock on the folder's file ``alive``; the
operating system gives the lock up when the run ends, kill -9 included.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import time
from pathlib import Path


def main(folder: Path) -> None:
    with (folder / "alive").open() as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
    for pid_file in folder.glob("**/postmaster.pid"):
        with contextlib.suppress(OSError, ValueError):
            stop(int(pid_file.read_text().split("\n", 1)[0]))
    shutil.rmtree(folder, ignore_errors=True)


def stop(process_id: int) -> None:
    os.kill(process_id, signal.SIGQUIT)  # Postgres calls it an immediate shutdown
    for _ in range(100):
        time.sleep(0.1)
        os.kill(process_id, 0)  # ProcessLookupError when it is gone
    os.kill(process_id, signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
