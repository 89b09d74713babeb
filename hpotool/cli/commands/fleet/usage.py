"""``hpotool usage``: who used how much of the fleet."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from hpotool.cli.options import FormatOption, StorageOption, read_duration
from hpotool.cli.output import Answer, Format, show


class By(str, Enum):
    """What attempts are summed up by."""

    OWNER = "owner"
    PROJECT = "project"
    STUDY = "study"
    OUTCOME = "outcome"
    POOL = "pool"


def usage(
    by: Annotated[
        By,
        typer.Option(
            "--by", metavar="WHAT", help="Sum up by owner, project (the tag of that name), study, outcome or pool."
        ),
    ] = By.OWNER,
    since: Annotated[str, typer.Option(metavar="DURATION", help="How far back, until now.")] = "30d",
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show GPU-hours, worker-hours, cost, attempts and finished trials of all studies."""
    from hpotool.cli.database import connect
    from hpotool.storage.database.schema import check_schema
    from hpotool.storage.pools.accounts import usage_since
    from hpotool.storage.pools.summary import sum_up

    duration = read_duration("--since", since, "30d, 12h or 90m")
    connection = connect(storage)
    check_schema(connection)
    lines = sum_up(usage_since(connection.run, duration), by.value)
    rows = [line.as_data(by.value) for line in lines]
    show(
        Answer(
            data={"by": by.value, "since_s": duration.total_seconds(), "usage": rows},
            rows=rows,
            value="\n".join(line.name or "" for line in lines),
            empty=f"no trial has run in the last {since}",
        ),
        format,
    )
