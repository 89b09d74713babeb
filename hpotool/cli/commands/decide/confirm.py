"""``hpotool confirm``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, say, show
from hpotool.errors import InputError, NotFoundError, paste
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    from optuna import Study
    from rich.console import RenderableType

    from hpotool.analysis.confirmation.answer import ConfirmationAnswer
    from hpotool.storage.control.confirmations import Confirmation
    from hpotool.storage.database.connection import Connection
    from hpotool.study.confirmation.order import Order, Point
    from hpotool.study.spec import StudySpec

_MOST = 4  # times the first replicates, if only the confidence is given


def confirm(
    study: StudyOption = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            "-n",
            metavar="K",
            min=0,
            help="The K best points [default: 5; 0 if others are named].",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", min=2, help="Replicates of each point.")] = 5,
    trial: Annotated[
        list[int] | None,
        typer.Option("--trial", metavar="N", min=0, help="This trial's point; repeatable.", show_default=False),
    ] = None,
    from_study: Annotated[
        list[str] | None,
        typer.Option(
            "--from-study", metavar="NAME", help="The best point of another study; repeatable.", show_default=False
        ),
    ] = None,
    baseline: Annotated[
        int | None,
        typer.Option(
            "--baseline",
            metavar="TRIAL",
            min=0,
            help="The point to be beaten [default: the study file's baseline].",
            show_default=False,
        ),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(
            "--confidence",
            metavar="P",
            min=0.5,
            max=0.999,
            help="Add seeds for points in doubt until one is the best with probability P.",
            show_default=False,
        ),
    ] = None,
    most: Annotated[
        int | None,
        typer.Option(
            "--most",
            metavar="N",
            min=1,
            help="With --confidence: the most replicates in total [default: 4 times the first ones].",
            show_default=False,
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when everything has been measured.")] = False,
    look: Annotated[bool, typer.Option("--show", help="Only show the answer; queue nothing.")] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Cancel replicates that wait or run, and add no more.")
    ] = False,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Measure the best points again with fresh seeds, and say which one is best and how certain that is.

    The study's workers run these replicates, even if the study is done. Samplers, pruners and the budget ignore
    them. If you repeat the command, nothing is measured twice.
    """
    from hpotool.analysis.confirmation.ranking import read_answer
    from hpotool.api.actor import current_actor
    from hpotool.cli.database import adopt_study, connect, load_study

    if most is not None and confidence is None:
        raise InputError(
            "--most limits what --confidence adds, and no --confidence was given", "add --confidence 0.95"
        )
    connection = connect(storage)
    study_id, name = adopt_study(connection, study)
    if cancel:
        _cancel(connection, study_id)
    elif not look:
        loaded = load_study(connection, name)
        count = top if top is not None else 0 if trial or from_study else 5
        wanted = _choose(connection, loaded, count, trial or [], from_study or [], baseline)
        _order(connection, study_id, name, wanted, seeds, confidence, most, f"confirm by {current_actor()}")
    if wait:
        _wait(connection, study_id, name)
    found = read_answer(connection, study_id, name)
    if found is None:
        raise NotFoundError(
            f"no point of study {name!r} has been confirmed yet", paste("confirm", "--study", name)
        )
    show(confirm_answer(found), format)


def confirm_answer(found: ConfirmationAnswer) -> Answer:
    """The answer in every form."""
    from hpotool.analysis.confirmation.data import answer_data

    return Answer(
        data=answer_data(found),
        rows=[point.as_row() for point in found.points],
        value=found.points[0].point.name if found.points and found.points[0].mean else "",
        picture=lambda: _draw(found),
    )


def _draw(found: ConfirmationAnswer) -> RenderableType:
    from rich.console import Group

    from hpotool.analysis.confirmation.sentence import say_answer
    from hpotool.cli.output import table
    from hpotool.cli.screen.text import words

    rows = [point.as_row() for point in found.points]
    lines = [words(say_answer(found), "green" if found.is_sound else "yellow")]
    failed = [one for one in found.replicates if one.state == "FAIL"]
    if failed:
        reasons = {f"{one.outcome}: {one.reason}" if one.reason else one.outcome or "cancelled" for one in failed}
        lines.append(
            words(
                f"{count_of(len(failed), 'replicate')} failed permanently ({'; '.join(sorted(reasons)[:3])})",
                "red",
            )
        )
    return Group(table(rows), *lines)


def _choose(
    connection: Connection, study: Study, top: int, trials: list[int], studies: list[str], baseline: int | None
) -> list[Point]:
    """The selected points in the study's space, the baseline first."""
    from dataclasses import replace

    from hpotool.analysis.confirmation.points import best_points, named_points
    from hpotool.analysis.confirmation.ranking import read_confirmed
    from hpotool.cli.database import load_study
    from hpotool.storage.control.creation import read_spec
    from hpotool.storage.control.studies import has_replicates

    _, spec = read_spec(connection, study.study_name)
    refuse_branches(spec)
    points = _baseline(spec, study, baseline)
    replicates = has_replicates(connection, study.study_name)
    points += best_points(study, top, replicates=replicates) if top else []
    points += named_points(study, trials)
    for other in studies:
        if other == study.study_name:
            raise InputError(f"--from-study names {other!r} itself", "for its own points: --top 5, or --trial N")
        source = load_study(connection, other)
        replicates = has_replicates(connection, other)
        confirmed = read_confirmed(connection, source)
        [best] = best_points(source, 1, replicates=replicates, origin=other, confirmed=confirmed)
        points.append(replace(best, params=_moved(spec, best)))
    if not points:
        raise InputError("no point was selected", "for the five best: --top 5; or --trial N, --from-study NAME")
    return points


def _baseline(spec: StudySpec, study: Study, number: int | None) -> list[Point]:
    from dataclasses import replace

    from hpotool.analysis.confirmation.points import named_points
    from hpotool.study.confirmation.order import BASELINE, Point

    if number is not None:
        return [replace(point, is_baseline=True) for point in named_points(study, [number])]
    return [] if spec.baseline is None else [Point(BASELINE, dict(spec.baseline), is_baseline=True)]


def refuse_branches(spec: StudySpec) -> None:
    """Raise InputError if trials continue from each other: then parameters alone do not reproduce one."""
    from hpotool.study.branch import has_branches

    if has_branches(spec):
        raise InputError(
            f"trials of {spec.name!r} continue from each other's checkpoints: parameters do not reproduce one",
            "confirm its points in a study without tiers or population: hpotool enqueue --from-study",
        )


def _moved(spec: StudySpec, point: Point) -> dict[str, object]:
    """Another study's point in this study's space.

    Raises:
        InputError: the point is outside the space.
    """
    from hpotool.study.space import check_point

    if not spec.search_space:
        return dict(point.params)
    values, wrong = check_point(spec.search_space, point.params)
    if wrong:
        raise InputError(
            "\n".join([f"{point.name} is not in the search space of {spec.name!r}", *wrong.values()]),
            f"its own points can be confirmed: {paste('confirm', '--study', spec.name)}",
        )
    return values


def _order(
    connection: Connection,
    study_id: int,
    name: str,
    points: list[Point],
    seeds: int,
    confidence: float | None,
    most: int | None,
    actor: str,
) -> None:
    from dataclasses import replace

    from hpotool.storage.control.confirmations import order_confirmation, queue_cancelled_again
    from hpotool.storage.control.orders import read_settings
    from hpotool.study.confirmation.order import Order
    from hpotool.study.wording import count_of

    settings = read_settings(connection.run, study_id)
    if settings is not None and settings.state in ("stopped", "draining"):
        raise InputError(
            f"study {name!r} is {settings.state}, so it runs no trials", paste("resume", "--study", name)
        )
    asked = Order(tuple(points), seeds, confidence, most)

    def extend(earlier: Order | None) -> Order:
        order = asked.including(earlier)
        if confidence is None or most is not None:
            return order
        return replace(order, most=_MOST * seeds * len(order.points))

    order, numbers = order_confirmation(connection.run, study_id, actor, extend, points)
    numbers += queue_cancelled_again(connection.run, study_id, order, points, actor)
    if not numbers:
        say("all requested replicates exist already")
        return
    count = len({point.key for point in points})
    say(f"queued {count_of(len(numbers), 'replicate')} of {count_of(count, 'point')}")
    if not _has_workers(connection, name):
        say(f"{name!r} has no workers; start one: {paste('worker', '--study', name)}")


def _cancel(connection: Connection, study_id: int) -> None:
    from hpotool.api.actor import current_actor
    from hpotool.storage.control.confirmations import cancel_confirmation
    from hpotool.study.wording import count_of

    numbers = cancel_confirmation(connection.run, study_id, f"confirm by {current_actor()}")
    say(f"cancelled {count_of(len(numbers), 'replicate')}" if numbers else "no replicate waits or runs")


def _has_workers(connection: Connection, name: str) -> bool:
    from hpotool.storage.control.studies import list_studies, read_progress

    progress = read_progress(connection, list_studies(connection, name)[0])
    return bool(progress.workers or progress.pool_workers)


def _wait(connection: Connection, study_id: int, name: str) -> None:
    """Return when no replicates run or wait any more, and no further ones have to be queued."""
    import time
    from datetime import timedelta

    from hpotool.cli.database import wait_for_database
    from hpotool.errors import DatabaseUnreachableError

    said = ""
    while True:
        try:
            found = _look(connection, study_id, name)
        except DatabaseUnreachableError:
            wait_for_database(connection, timedelta(days=1))
            continue
        if found is None or not found.is_open:
            return
        line = _say_progress(found)
        if line != said:
            said = line
            say(line)
        time.sleep(0.5)


def _look(connection: Connection, study_id: int, name: str) -> Confirmation | None:
    """The confirmation's progress; queue the next round if one is due, as the workers do."""
    from hpotool.api.actor import current_actor
    from hpotool.storage.control.confirmations import order_next_round, read_confirmation
    from hpotool.storage.control.studies import list_studies

    found = read_confirmation(connection.run, study_id)
    if found is None or found.is_open:
        return found
    directions = list_studies(connection, name)[0].metrics.values()
    signs = [1.0 if direction == "minimize" else -1.0 for direction in directions]
    if order_next_round(connection.run, study_id, f"confirm by {current_actor()}", signs):
        return read_confirmation(connection.run, study_id)
    return found


def _say_progress(found: Confirmation) -> str:
    ended = sum(not one.is_open for one in found.replicates)
    running = sum(one.state == "RUNNING" for one in found.replicates)
    return f"{ended} of {len(found.replicates)} replicates have ended, {running} running"
