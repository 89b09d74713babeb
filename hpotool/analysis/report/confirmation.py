"""What was measured again, in a report: the answer in words, and every point with its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hpotool.analysis.confirmation.answer import ConfirmationAnswer, ConfirmedPoint
from hpotool.analysis.confirmation.sentence import say_answer
from hpotool.analysis.report.blocks import Block, Grid, Heading, Paragraph
from hpotool.study.wording import say_probability


def list_confirmed(found: ConfirmationAnswer | None) -> Iterator[Block]:
    """Yield the answer of a confirmation, if anything was asked for."""
    if found is None:
        return
    yield Heading("Measured again with fresh seeds")
    yield Paragraph(say_answer(found))
    rows = [_row(one, list(found.metrics)) for one in found.points]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    yield Grid(columns, [[row.get(name, "") for name in columns] for row in rows])


def _row(one: ConfirmedPoint, metrics: Sequence[str]) -> dict[str, str]:
    row = {"point": one.point.name, "probability": say_probability(one.probability_best) if one.mean else ""}
    for name in metrics:
        of = f" of {name}" if len(metrics) > 1 else ""
        row[name] = _number(one.mean.get(name), one.standard_error.get(name))
        difference = one.difference.get(name)
        if difference is not None:
            row[f"difference{of} from the baseline"] = _number(difference.mean, difference.standard_error)
        if name in (one.point.found or {}):
            row[f"{name} in the search"] = _number((one.point.found or {})[name])
    others = [f"{count} {word}" for count, word in ((one.failed, "failed"), (one.open, "open")) if count]
    return {**row, "replicates": ", ".join([str(one.measured), *others])}


def _number(value: float | None, error: float | None = None) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if error is None else f"{value:.4g} ± {error:.2g}"
