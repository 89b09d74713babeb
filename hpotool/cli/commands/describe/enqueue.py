"""``hpotool enqueue``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import StorageOption, StudyOption
from hpotool.cli.output import say
from hpotool.errors import InputError, paste
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    from hpotool.storage.database.connection import Connection

# The twenty best points of a study are nearly the same and cost more trials than they save; five diverse points
# do not. Trials that are copied as finished cost nothing.
_SPREAD, _FINISHED = 5, 20
_FINISHED_HINT = "hpotool enqueue --study B --from-study A --finished"


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
        typer.Option(
            "--from-study", metavar="NAME", help="Use the best points of this study.", show_default=False
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            "-n",
            metavar="N",
            min=1,
            help="How many [default: 5, spread over the best tenth; with --finished, the 20 best].",
            show_default=False,
        ),
    ] = None,
    finished: Annotated[
        bool,
        typer.Option(
            "--finished",
            help="Copy its trials as finished instead of running their points. hpotool checks that objective, "
            "code and metrics match; you confirm that the data does.",
        ),
    ] = False,
    storage: StorageOption = None,
) -> None:
    """Queue points to try next; the sampler chooses parameters that a point leaves out."""
    if from_study and points:
        raise InputError(
            "give either points or --from-study, not both", "hpotool enqueue STUDY lr=0.1; or --from-study NAME"
        )
    if finished and not from_study:
        raise InputError("--finished copies trials of another study, but no --from-study is given", _FINISHED_HINT)
    from hpotool.cli.database import connect, find_study

    connection = connect(storage)
    name = find_study(connection, study).name
    numbers = (
        _take_over(connection, name, from_study, top or _FINISHED)
        if finished and from_study
        else _queue(connection, name, points or [], from_study, top or _SPREAD)
    )
    if not sys.stdout.isatty():  # for the script that reads them; a person has the sentence
        sys.stdout.write("".join(f"{number}\n" for number in numbers))


def _queue(connection: Connection, name: str, points: list[str], from_study: str | None, top: int) -> list[int]:
    """Queue the given points, or the best of another study; return the numbers of their trials."""
    from hpotool.api.actor import current_actor
    from hpotool.cli.database import say_if_nobody_works
    from hpotool.cli.points import read_points
    from hpotool.storage.control.queueing import enqueue_points
    from hpotool.storage.control.studies import list_studies, read_progress

    wanted = _best_points(connection, name, from_study, top) if from_study else read_points(points)
    numbers, is_checked = enqueue_points(connection, name, wanted, f"enqueue by {current_actor()}")
    if not is_checked:
        say("queued without a check: the objective suggests its own parameters, and no trial has shown them yet")
    progress = read_progress(connection, list_studies(connection, name)[0])
    if progress.budget_trials is not None and progress.finished >= progress.budget_trials:
        say(f"the budget of {progress.budget_trials} trials is used up; increase it to run them")
    say(f"queued {count_of(len(numbers), 'trial')} of study {name!r}{_say_which(numbers)}")
    say_if_nobody_works(connection, name)
    return numbers


def _take_over(connection: Connection, name: str, source: str, top: int) -> list[int]:
    """Copy the best trials of another study as finished; return their new numbers."""
    from hpotool.analysis.exports.transfer import best_trials
    from hpotool.api.actor import current_actor
    from hpotool.cli.database import load_study
    from hpotool.storage.control.studies import has_replicates
    from hpotool.storage.control.taken_over import take_over

    trials = best_trials(load_study(connection, source), top, replicates=has_replicates(connection, source))
    done = take_over(connection, name, source, trials, f"enqueue by {current_actor()}")
    if not trials:
        raise InputError(f"study {source!r} has no complete trial to copy", paste("trials", "--study", source))
    _say_left_out(name, source, done.outside, done.known)
    say(f"copied {count_of(len(done.numbers), 'finished trial')} into study {name!r}{_say_which(done.numbers)}")
    return done.numbers


def _say_which(numbers: list[int]) -> str:
    """The first and the last of them."""
    ends = sorted({min(numbers), max(numbers)}) if numbers else []
    return f": {' to '.join(map(str, ends))}" if ends else ""


def _say_left_out(name: str, source: str, outside: int, known: int) -> None:
    if outside:
        say(f"left out {outside} of the best trials of {source!r}: outside the search space of {name!r}")
    if known:
        say(f"left out {known} of them: already in {name!r}")


def _best_points(connection: Connection, name: str, source: str, top: int) -> list[dict[str, Any]]:
    """The best points of another study that this study can try and does not have yet."""
    from hpotool.analysis.exports.transfer import find_points_to_transfer
    from hpotool.cli.database import load_study
    from hpotool.storage.control.queueing import known_space
    from hpotool.storage.control.studies import has_replicates

    if source == name:
        raise InputError(
            f"--from-study names {name!r} itself",
            f"to measure its best again: {paste('confirm', '--study', name)}",
        )
    target = load_study(connection, name)
    space = known_space(connection, target._study_id)
    replicates = has_replicates(connection, source)
    found = find_points_to_transfer(load_study(connection, source), target, space, top, replicates=replicates)
    _say_left_out(name, source, found.outside, found.known)
    if not found.points and not (found.outside or found.known):
        raise InputError(
            f"study {source!r} has no complete trial to copy points from", paste("trials", "--study", source)
        )
    return found.points
