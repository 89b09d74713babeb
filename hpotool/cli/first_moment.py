"""Imported before anything else of the command line: signals for a worker are held back until it can hear them.

What comes while Python imports the rest would otherwise kill it, and say nothing of why.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hpotool.worker.signals import hold_signals

_words = [word for word in sys.argv[1:] if not word.startswith("-")]
if Path(sys.argv[0]).name in ("hpotool", "__main__.py") and _words[:1] == ["worker"]:
    hold_signals()
