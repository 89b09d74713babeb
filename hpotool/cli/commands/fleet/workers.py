"""``hpotool workers``: list, stop and scale the workers of a study, and say why some are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, say, show
from hpotool.errors import EXIT_DONE, EXIT_FAILED, InputError, NotFoundError, paste

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hpotool.api.fleet import Row
    from hpotool.launch.target import Target
    from hpotool.storage.control.launches import Launch
    from hpotool.storage.fleet.attempts import Run

_ONCE_MORE_S = 7 * 86400  # a stopped launch is stopped again for so long, in case its system did not answer


def workers(
    study: StudyOption = None,
    stop: Annotated[
        bool,
        typer.Option("--stop", help="Tell workers to hand back their trials and leave; the study stays as it is."),
    ] = False,
    scale: Annotated[
        int | None,
        typer.Option(
            "--scale",
            metavar="N",
            min=0,
            max=10_000,
            help="Scale a launch to N workers: start some, or tell some to leave.",
            show_default=False,
        ),
    ] = None,
    launch: Annotated[
        str | None,
        typer.Option(
            "--launch",
            metavar="ID",
            help="Only this launch [default: all; with --scale, the only one].",
            show_default=False,
        ),
    ] = None,
    worker: Annotated[
        list[str] | None,
        typer.Option(
            "--worker",
            metavar="ID",
            help="With --stop: stop only this worker; may be repeated.",
            show_default=False,
        ),
    ] = None,
    left: Annotated[
        bool, typer.Option("--left", help="Also show workers that left within the last hour.")
    ] = False,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> int:
    """Show a study's workers, and why some are missing; stop them, or change their number."""
    from hpotool.cli.database import adopt_study, connect, identify_study

    connection = connect(storage)
    if stop and scale is not None:
        raise InputError("--stop and --scale cannot go together", "hpotool workers --stop stops all of them")
    if worker and not stop:
        raise InputError("--worker selects the workers to stop, but --stop is missing", "add --stop")
    study_id, name = (adopt_study if stop or scale is not None else identify_study)(connection, study)
    run = connection.run
    if worker:
        return _stop_some(run, study_id, name, worker)
    if stop:
        return _stop(run, study_id, name, _chosen(run, study_id, name, launch), is_all=launch is None)
    if scale is not None:
        return _scale(run, study_id, name, _chosen(run, study_id, name, launch), scale, storage)
    _show(run, study_id, launch, format, with_left=left)
    return EXIT_DONE


def _chosen(run: Run, study_id: int, study: str, launch_id: str | None) -> list[Launch]:
    """The selected launches.

    Raises:
        NotFoundError: there is no launch with that ID.
    """
    from hpotool.storage.control.launches import list_launches

    chosen = [launch for launch in list_launches(run, study_id) if launch_id in (None, launch.launch_id)]
    if launch_id is not None and not chosen:
        raise NotFoundError(f"study {study!r} has no launch {launch_id}", paste("workers", "--study", study))
    return chosen


def _show(run: Run, study_id: int, launch_id: str | None, format: Format, *, with_left: bool) -> None:
    from hpotool.api.fleet import read_fleet
    from hpotool.launch.start import has_work

    fleet = read_fleet(run, study_id, launch_id)
    shown = [row for row in fleet.rows if with_left or row.state != "left"]
    launches = fleet.launches_as_data()
    counts = Counter(row.state for row in fleet.rows)
    show(
        Answer(
            data={"workers": [row.as_data() for row in shown], "launches": launches},
            rows=[row.as_data() for row in shown],
            value=str(counts["alive"]),
            picture=(lambda: _draw(shown)) if shown else None,
            empty="the study has no workers",
        ),
        format,
    )
    if format is Format.TABLE:
        _say_shortfall(launches if has_work(run, study_id) else (), 0 if with_left else counts["left"])


def _say_shortfall(launches: Sequence[Mapping[str, Any]], left: int) -> None:
    for launch in launches:
        if launch["error"]:
            say(f"{launch['launch']}: {launch['target']} does not answer: {launch['error']}")
        elif launch["here"] + launch["coming"] < launch["wanted"]:
            there = f"{launch['here']} running, {launch['coming']} coming"
            wanted = f"{launch['wanted']} wanted; --scale {launch['wanted']} starts the rest"
            say(f"{launch['launch']}: {there}, {wanted}")
    if left:
        say(f"{left} left within the last hour (--left shows them)")


def _draw(rows: Sequence[Row]) -> RenderableType:
    """The columns that are not empty, with those that a person acts on first."""
    from hpotool.cli.screen.tables import Fitted

    table = [_as_table_row(row) for row in rows]
    empty = {name for name in table[0] if not any(row[name] for row in table if row[name] != "cpu")}
    kept = [{name: value for name, value in row.items() if name not in empty - {"trial"}} for row in table]
    return Fitted(kept, style=_style)


def _as_table_row(row: Row) -> dict[str, Any]:
    from hpotool.study.wording import format_elapsed

    heard = None if row.last_beat_s is None or row.state == "left" else f"{format_elapsed(row.last_beat_s)} ago"
    return {
        "state": row.state,
        "worker": row.worker or row.job,
        "trial": row.trial,
        "last seen": heard,
        "why": " ".join(row.why.split()),
        "job": row.job,
        "host": row.host,
        "slot": row.slot,
        "launch": row.launch,
    }


def _style(row: Mapping[str, Any]) -> str:
    return {"silent": "yellow", "gone": "red", "unknown": "yellow", "pending": "dim", "left": "dim"}.get(
        row["state"], ""
    )


def _stop_some(run: Run, study_id: int, study: str, worker_ids: Sequence[str]) -> int:
    from hpotool.storage.control.launches import tell_workers

    told = tell_workers(run, study_id, worker_ids)
    for worker_id in told:
        say(f"{worker_id} will hand back its trial and leave")
    unknown = [worker_id for worker_id in worker_ids if worker_id not in told]
    if unknown:
        raise NotFoundError(
            f"the study has no worker named {', '.join(unknown)}", paste("workers", "--study", study)
        )
    return EXIT_DONE


def _stop(run: Run, study_id: int, study: str, launches: Sequence[Launch], *, is_all: bool) -> int:
    from hpotool.api.actor import current_actor
    from hpotool.launch.start import end_launch
    from hpotool.storage.control.launches import list_fleet, tell_workers

    fleet = list_fleet(run, study_id)
    answers = {}
    for launch in launches:
        if launch.is_stopped and launch.ago_s > _ONCE_MORE_S:
            continue
        with _target_of(launch) as target:
            answers[launch.launch_id] = end_launch(run, target, launch, fleet, current_actor())
    others = [worker.worker_id for worker in fleet if not worker.has_ended and is_all]
    told = tell_workers(run, study_id, others) if others else []
    for launch_id, answer in answers.items():
        said = "stopped" if answer == "stopped" else f"stopping through the database only: {answer}"
        say(f"{launch_id} is {said}")
    if told:
        say(f"workers asked to leave: {len(told)}; see {paste('workers', '--study', study)}")
    elif not answers:
        say("the study has no workers")
    return EXIT_DONE if all(answer == "stopped" for answer in answers.values()) else EXIT_FAILED


def _scale(
    run: Run, study_id: int, study: str, launches: Sequence[Launch], wanted: int, storage: str | None
) -> int:
    from hpotool.api.actor import current_actor
    from hpotool.cli.commands.fleet.begin import url_for
    from hpotool.launch.start import check_study, load_cargo, scale_launch
    from hpotool.storage.control.launches import list_fleet

    open_launches = [launch for launch in launches if not launch.is_stopped]
    if len(open_launches) != 1:
        names = ", ".join(launch.launch_id for launch in open_launches)
        raise InputError(
            f"the study has several launches: {names}" if open_launches else "the study has no launch to scale",
            "choose one with --launch ID" if open_launches else "start one: hpotool launch",
        )
    [launch] = open_launches
    check_study(run, study_id, study)
    with _target_of(launch) as target:
        cargo = load_cargo(url_for(target, storage), target, Path(launch.request.get("code") or "."))
        fleet = list_fleet(run, study_id)
        change = scale_launch(run, study_id, target, launch, cargo, fleet, wanted, current_actor())
    for where, why in change.failures.items():
        say(f"{where} failed: {why}")
    said = [f"{change.started} started"] if change.started else []
    said += [f"{len(change.leaving)} leaving"] if change.leaving else []
    say(f"{launch.launch_id}: {wanted} wanted" + (f"; {', '.join(said)}" if said else ""))
    return EXIT_FAILED if change.failures else EXIT_DONE


@contextmanager
def _target_of(launch: Launch) -> Iterator[Target]:
    from hpotool.launch.targets.open import open_target

    with open_target(launch.target, launch.request) as target:
        yield target
