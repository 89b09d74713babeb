"""Times for people; the browser's pages have the same ones."""

from __future__ import annotations

from hpotool.study.wording import format_clock as format_clock
from hpotool.study.wording import format_elapsed as format_elapsed
from hpotool.study.wording import format_local as format_local
from hpotool.study.wording import format_when as format_when
from hpotool.study.wording import zone as zone
