"""What a study's results come from, in a report."""

from __future__ import annotations

from collections.abc import Iterator

from hpotool.analysis.origins.lineage import Lineage, flat_origin
from hpotool.analysis.report.blocks import Block, Grid, Heading, Paragraph
from hpotool.storage.fleet.origins import SharedOrigin
from hpotool.study.origins.differences import Flat, find_different
from hpotool.study.wording import count_of

_MOST_DIFFERENCES = 40


def list_lineage(lineage: Lineage) -> Iterator[Block]:
    """Yield the code, data and environment of the attempts, and what differs between them, if any is known."""
    if not lineage.origins:
        return
    yield Heading("What it comes from")
    flats = [flat_origin(one) for one in lineage.origins]
    rows = [[name, value] for name, value in flats[0].items() if not name.startswith("package ")]
    yield from [Grid(("", "value"), rows)] if rows else []
    if len(flats) == 1:
        yield Paragraph("All attempts had this code, data and environment.")
    else:
        yield from _say_several(lineage, flats)
    for one in lineage.origins:
        for name, both in lineage.differences(one).items():
            values = f"{name} was {both['here']}, and is {both['study']} in the study"
            said = f"{values}: {_count(one)} from trial {one.numbers[0]} on, by {', '.join(one.hosts)}."
            yield Paragraph(said, is_warning=True)


def _count(one: SharedOrigin) -> str:
    return count_of(len(one.numbers), "trial")


def _say_several(lineage: Lineage, flats: list[Flat]) -> Iterator[Block]:
    yield Paragraph(f"The latest is shown; the attempts had {len(flats)} different ones, which differ in this:")
    columns = [f"{_count(one)} on {', '.join(one.hosts)}" for one in lineage.origins]
    different = find_different(flats)
    rows = [[name, *(value or "" for value in values)] for name, values in different.items()]
    yield Grid(("", *columns), rows[:_MOST_DIFFERENCES])
    if len(rows) > _MOST_DIFFERENCES:
        yield Paragraph(f"And {len(rows) - _MOST_DIFFERENCES} more.")
