"""What was measured again, in a report: the answer in words, and every point with its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hpotool.analysis.confirmation.answer import ConfirmationAnswer
from hpotool.analysis.confirmation.sentence import say_answer
from hpotool.analysis.report.blocks import Block, Grid, Heading, Paragraph


def list_confirmed(found: ConfirmationAnswer | None) -> Iterator[Block]:
    """Yield the answer of a confirmation, if anything was asked for."""
    if found is None:
        return
    yield Heading("Measured again with fresh seeds")
    yield Paragraph(say_answer(found))
    rows = [point.as_row() for point in found.points]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    yield Grid([_head(name) for name in columns], [[_cell(row.get(name)) for name in columns] for row in rows])


def _head(name: str) -> str:
    return {"p_best": "probability of being the best", "n": "replicates"}.get(name, name)


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
