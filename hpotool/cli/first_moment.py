"""Imported before everything else in the command line: holds back a worker's signals until it can handle them.

Otherwise, a signal that arrives while Python imports the rest would kill the worker without a message.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hpotool.worker.signals import hold_signals

_words = [word for word in sys.argv[1:] if not word.startswith("-")]
if Path(sys.argv[0]).name in ("hpotool", "__main__.py") and _words[:1] == ["worker"]:
    hold_signals()
