"""``hpotool enqueue``."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import StorageOption, StudyOption
from hpotool.cli.output import say
from hpotool.errors import InputError

if TYPE_CHECKING:
    from hpotool.storage.connection import Connection


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
    from_study: Annotated[
        str | None,
        typer.Option("--from-study", metavar="NAME", help="The best points of another study.", show_default=False),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many of them.")] = 20,
    storage: StorageOption = None,
) -> None:
    """Queue points to be tried next; what is left out of a point, the sampler chooses."""
    if from_study and points:
        raise InputError("the points come from another study or from this line, and here is both")
    from hpotool.cli.database import connect, find_study
    from hpotool.cli.points import read_points
    from hpotool.storage.queueing import enqueue_points
    from hpotool.storage.studies import list_studies, read_progress

    connection = connect(storage)
    name = find_study(connection, study).name
    wanted = _best_points(connection, name, from_study, top) if from_study else read_points(points or [])
    numbers, is_checked = enqueue_points(connection, name, wanted, f"enqueue by {getpass.getuser()}")
    if not is_checked:
        say("queued unchecked: the search space is in the objective's code and no trial has shown it yet")
    progress = read_progress(connection, list_studies(connection, name)[0])
    if progress.budget_trials is not None and progress.finished >= progress.budget_trials:
        say(f"the budget of {progress.budget_trials} trials is used up; to run them, give the study a larger one")
    say(f"queued {len(numbers)} trial{'s' if len(numbers) != 1 else ''} of study {name!r}")
    sys.stdout.write("".join(f"{number}\n" for number in numbers))


def _best_points(connection: Connection, name: str, source: str, top: int) -> list[dict[str, Any]]:
    """The best points of another study that this one can try and does not have yet."""
    from hpotool.analysis.transfer import find_points_to_transfer
    from hpotool.cli.database import load_study
    from hpotool.storage.queueing import known_space
    from hpotool.storage.studies import has_replicates

    target = load_study(connection, name)
    space = known_space(connection, target._study_id)
    replicates = has_replicates(connection, source)
    found = find_points_to_transfer(load_study(connection, source), target, space, top, replicates=replicates)
    if found.outside:
        say(f"{found.outside} of the best trials of {source!r} lie outside the search space of {name!r}; left out")
    if found.known:
        say(f"{found.known} of them are in {name!r} already; left out")
    if not found.points and not (found.outside or found.known):
        raise InputError(
            f"study {source!r} has no complete trial to take points from", f"hpotool trials -s {source}"
        )
    return found.points
