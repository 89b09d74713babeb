"""``hpotool enqueue``."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated

import typer

from hpotool.cli.options import StorageOption, StudyOption
from hpotool.cli.output import say


def enqueue(
    points: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=VALUE... | FILE",
            help="One point, or a CSV, JSON or YAML file.",
            show_default=False,
        ),
    ] = None,
    study: StudyOption = None,
    storage: StorageOption = None,
) -> None:
    """Queue points to be tried next; what is left out of a point, the sampler chooses."""
    from hpotool.cli.database import connect, find_study
    from hpotool.cli.points import read_points
    from hpotool.storage.queueing import enqueue_points
    from hpotool.storage.studies import list_studies, read_progress

    wanted = read_points(points or [])
    connection = connect(storage)
    name = find_study(connection, study).name
    numbers, is_checked = enqueue_points(connection, name, wanted, f"enqueue by {getpass.getuser()}")
    if not is_checked:
        say("queued unchecked: the search space is in the objective's code and no trial has shown it yet")
    progress = read_progress(connection, list_studies(connection, name)[0])
    if progress.budget_trials is not None and progress.finished >= progress.budget_trials:
        say(f"the budget of {progress.budget_trials} trials is used up; to run them, give the study a larger one")
    say(f"queued {len(numbers)} trial{'s' if len(numbers) != 1 else ''} of study {name!r}")
    sys.stdout.write("".join(f"{number}\n" for number in numbers))
