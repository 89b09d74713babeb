"""``hpotool compare``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import FormatOption, StorageOption
from hpotool.cli.output import Answer, Format, show, table
from hpotool.cli.screen.text import words
from hpotool.cli.study_word import complete_study
from hpotool.errors import EXIT_FAILED, InputError, paste
from hpotool.study.wording import plain_cell

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hpotool.analysis.compare.comparison import Comparison
    from hpotool.analysis.compare.sides import Side
    from hpotool.analysis.compare.verdict import Verdict

_STYLES = {"better": "green", "worse": "red", "equal": "", "cannot tell": "yellow"}


def compare(
    studies: Annotated[
        list[str],
        typer.Argument(metavar="OLD NEW...", help="The old study, then new ones.", autocompletion=complete_study),
    ],
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            "-m",
            metavar="NAME",
            help="The metric to compare by [default: the only one].",
            show_default=False,
        ),
    ] = None,
    confidence: Annotated[
        float, typer.Option(metavar="P", min=0.5, max=0.9999, help="The confidence that a verdict needs.")
    ] = 0.95,
    fail_unless_better: Annotated[
        bool,
        typer.Option(
            "--fail-unless-better", help="Exit with 1 unless the last study's best beats the first study's."
        ),
    ] = False,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show studies side by side: the best, the cost, what differs, and whether the new best beats the old."""
    from hpotool.analysis.compare.comparison import compare as compare_sides
    from hpotool.analysis.compare.reading import read_sides
    from hpotool.cli.database import connect, load_study

    names = list(dict.fromkeys(studies))
    if len(names) < 2:
        raise InputError("compare needs an old study and a new one", "hpotool compare OLD NEW")
    connection = connect(storage)
    loaded = [load_study(connection, name) for name in names]
    found = compare_sides(read_sides(connection, loaded, metric), confidence)
    data = found.as_data()
    show(
        Answer(
            data=data,
            rows=[_row(side) for side in data["studies"]],
            value=found.verdicts[-1].word,
            picture=lambda: _draw(found),
        ),
        format,
    )
    if fail_unless_better and not found.is_better:
        raise typer.Exit(EXIT_FAILED)


def _row(side: dict[str, Any]) -> dict[str, Any]:
    best = side["best"] or {}
    low, high = best.get("interval") or (None, None)
    return {
        "study": side["study"],
        "best": best.get("mean"),
        "low": low,
        "high": high,
        "n": len(best.get("values", ())),
        "confirmed": "yes" if best.get("confirmed") else "no" if best else None,
        "trial": best.get("trial"),
        "trials": side["trials"],
        "failures": side["failures"],
        "hours": round(side["hours"], 3),
        "lost": round(side["lost_hours"], 3),
        **({"cost": round(side["cost"], 2)} if side["cost"] else {}),
    }


def _draw(found: Comparison) -> RenderableType:
    from rich.console import Group

    data = found.as_data()
    rows = [_row(side) for side in data["studies"]]
    return Group(table(rows, f"best {data['metric']}, its 95 % interval, and the cost"), *_parts(found))


def _parts(found: Comparison) -> Iterator[RenderableType]:
    from hpotool.analysis.confirmation.origins import say_other_origins

    names = [side.name for side in found.sides]
    parameters = dict.fromkeys(name for side in found.sides for name in side.params)
    rows = [
        {"parameter": one, **{side.name: plain_cell(side.params.get(one)) for side in found.sides}}
        for one in parameters
    ]
    yield from ("", table(rows, "the best points")) if rows else ()
    different = [
        {"what": key, **dict(zip(names, values, strict=True))} for key, values in found.differences.items()
    ]
    yield from ("", table(different, "what differs")) if different else ("", words("nothing stored differs"))
    yield ""
    if found.unconfirmed:
        yield words(f"not confirmed: {', '.join(found.unconfirmed)}; to measure the best again:", "dim")
        yield from (words(f"  {paste('confirm', '--study', name)}", "dim") for name in found.unconfirmed)
    for side in found.sides:
        if side.replicates_differ:
            yield words(f"{side.name}: {say_other_origins(side.replicates_differ)}", "yellow")
    for side, verdict in zip(found.sides[1:], found.verdicts, strict=True):
        yield words(f"{side.name} against {names[0]}: {verdict.sentence}", _STYLES[verdict.word])
        if verdict.word == "cannot tell" and side.best is not None and found.sides[0].best is not None:
            yield from (words(line, "dim") for line in _ways_out(found.sides[0], side, verdict))


def _ways_out(old: Side, new: Side, verdict: Verdict) -> Iterator[str]:
    """The commands that measure both points again in the new study."""
    if new.document is None:  # plain Optuna made it, and its workers know no replicates
        yield "measure both several times in one study:"
        for side in (side for side in (old, new) if side.params):
            point = [f"{name}={_written(value)}" for name, value in side.params.items()]
            yield f"  {paste('enqueue', '--study', new.name, '--', *point)}"
        return
    words = ["confirm", "--study", new.name, "--top", "3", "--from-study", old.name]
    is_measured = verdict.old is not None and verdict.old.is_confirmed and verdict.old.where == new.name
    count = len(verdict.old.values) if is_measured and verdict.old is not None else 0
    yield "measure both with more seeds:" if count else "measure both with the same seeds in the new study:"
    yield f"  {paste(*words, '--seeds', str(max(8, 2 * count)))}"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
