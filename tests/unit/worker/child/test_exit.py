"""A process that ends without tearing down its interpreter has run and written what a normal end would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import atexit, io, os, sys, threading, time, weakref
from pathlib import Path
from hpotool.worker.child.exit import disown_exit_handlers, open_files, run_exit_handlers

here = Path(sys.argv[1])
def note(word):
    with (here / "order").open("a") as file:
        file.write(word + " ")

class Thing:
    pass

parents = Thing()
weakref.finalize(parents, note, "parent-finalizer")
atexit.register(note, "parent")
inherited = (here / "inherited").open("w")
inherited.write("of the parent")
kept = open_files()
disown_exit_handlers()
if os.fork() == 0:
    atexit.register(note, "first")
    atexit.register(note, "last")
    own = Thing()
    weakref.finalize(own, note, "own-finalizer")
    thread = threading.Thread(target=lambda: (time.sleep(0.2), note("thread")))
    thread.start()
    unflushed = (here / "text").open("w")
    unflushed.write("kept")
    raw = (here / "bytes").open("wb")
    raw.write(b"kept")
    closed = (here / "closed").open("w")
    closed.close()
    run_exit_handlers(kept)
    os._exit(0)
os.wait()
os._exit(0)
"""


def test_exit_functions_threads_and_buffers_are_those_of_a_normal_end(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    order = (tmp_path / "order").read_text().split()
    assert order[0] == "thread", "non-daemon threads first, as Python does"
    assert "parent" not in order, "the parent's own stay with the parent"
    assert order.index("last") < order.index("first"), "latest first"
    assert "own-finalizer" in order
    assert "parent-finalizer" not in order
    assert [(tmp_path / name).read_text() for name in ("text", "bytes", "closed")] == ["kept", "kept", ""]
    assert (tmp_path / "inherited").read_text() == "of the parent"
