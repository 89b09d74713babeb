"""How many generated examples a test takes: few in ``make check``, all in ``make test``, new ones in a search.

HPOTOOL_TEST_EXAMPLES says which: few, same or search.
"""

from __future__ import annotations

import os

AMOUNT = os.environ.get("HPOTOOL_TEST_EXAMPLES", "same")
_SHARES = {"few": 0.3, "same": 1.0, "search": 10.0}


def examples(count: int) -> int:
    """How many of ``count`` examples to take; ``count`` is what ``make test`` takes."""
    return max(1, round(count * _SHARES[AMOUNT]))
