"""``hpotool track``."""

from __future__ import annotations

import os
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, say, show
from hpotool.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, InputError, paste
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    from hpotool.storage.tracking.jobs import JobRecord
    from hpotool.tracking.exporter import Sent


class Tracker(str, Enum):
    """The trackers to which a study can be exported."""

    MLFLOW = "mlflow"
    TENSORBOARD = "tensorboard"
    WANDB = "wandb"


def track(
    study: StudyOption = None,
    to: Annotated[
        Tracker | None,
        typer.Option("--to", metavar="TRACKER", help="mlflow, wandb or tensorboard.", show_default=False),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="URL, folder or project of the tracker "
            "[default: from the study file, or the tracker's own variables].",
            show_default=False,
        ),
    ] = None,
    experiment: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The MLflow experiment [default: the study's name].", show_default=False
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Send what there is, then exit.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep running after the study is over, in case it continues.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Send every trial again; existing data is kept.")] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Show the progress of each export; send nothing.")
    ] = False,
    storage: StorageOption = None,
    format: Annotated[
        Format, typer.Option("--format", metavar="FORMAT", help="With --status: table, json, csv, yaml or value.")
    ] = Format.TABLE,
    holder: Annotated[str | None, typer.Option(hidden=True)] = None,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> int:
    """Export a study to MLflow, W&B or TensorBoard until it is over: every trial with its steps, outcome and cost.

    A killed export continues where it stopped, and no trial waits for it. With `tracking` in the study file, a
    worker runs the export.
    """
    from hpotool.cli.database import adopt_study, connect
    from hpotool.tracking.tenure import JobTakenError, end_with_parent

    connection = connect(storage)
    study_id, name = adopt_study(connection, study)
    if status:
        _show_status(connection, study_id, format)
        return EXIT_DONE
    if to is None:
        raise InputError("no tracker was given", paste("track", "--study", name, "--to", "mlflow"))
    if experiment is not None and to is not Tracker.MLFLOW:
        raise InputError("--experiment is for mlflow only", paste("track", "--study", name, "--to", to.value))
    if parent is not None:
        end_with_parent(parent)
    until = "sent" if once else "told" if follow else "over"
    try:
        sent, was_told = _export(connection, study_id, to, address, experiment, until, again, holder)
    except JobTakenError:
        if holder is None:
            raise
        return EXIT_DONE  # another worker was faster
    options = {"--to": to.value, "--address": address, "--experiment": experiment}
    words = [word for option, value in options.items() if value is not None for word in (option, value)]
    return _say_end(sent, name, to, words, is_person=holder is None and was_told)


def _export(
    connection: Any,
    study_id: int,
    to: Tracker,
    address: str | None,
    experiment: str | None,
    until: Any,
    again: bool,
    holder: str | None,
) -> tuple[Sent, bool]:
    """Export until there is a reason to stop; return what was sent, and whether a signal was the reason."""
    import logging

    from hpotool.api.actor import current_actor
    from hpotool.settings import read_pulse
    from hpotool.storage.tracking.exported import ExportReader
    from hpotool.storage.tracking.jobs import Job, restart_job, take_job
    from hpotool.tracking.exporter import Exporter
    from hpotool.tracking.targets.open import choose_destination
    from hpotool.tracking.tenure import Tenure, leaving_on_signals

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    spec = _spec(ExportReader(connection.run, study_id))
    destination = choose_destination(to.value, address, experiment, spec)
    job = Job(study_id, destination.job, holder or f"{current_actor()} (process {os.getpid()})")
    target = destination.open(spec)
    held_for = read_pulse().grace
    with leaving_on_signals() as leaving, Tenure(connection.run, job, held_for) as tenure:
        if again:
            restart_job(connection.run, job)
            tenure.held = take_job(connection.run, job, held_for)
        assert tenure.held is not None
        exporter = Exporter(connection.run, job, tenure.held, target, leaving, tenure.is_lost)
        return exporter.export(until), leaving.is_set()


def _spec(reader: Any) -> Any:
    from hpotool.study.spec import TrackingSpec

    study = reader.read_study()
    return study.spec.tracking if study and study.spec else TrackingSpec()


def _say_end(sent: Sent, name: str, to: Tracker, words: list[str], *, is_person: bool) -> int:
    trials = f"{count_of(sent.trials, 'trial')} sent to {to.value}"
    if sent.refused:
        numbers = ", ".join(map(str, sent.refused))
        say(f"{to.value} permanently refused {len(sent.refused)} of {name}'s trials: {numbers}")
    match sent.why:
        case "done":
            say(trials)
            return EXIT_FAILED if sent.refused else EXIT_DONE
        case "told":
            say(f"{trials}; continue with: {paste('track', '--study', name, *words)}")
            return EXIT_INTERRUPTED if is_person else EXIT_DONE
        case "taken":
            say(f"{trials}; another process continues")
            return EXIT_DONE
        case _:
            say(f"{trials}; the study no longer exists")
            return EXIT_FAILED


def _show_status(connection: Any, study_id: int, format: Format) -> None:
    from hpotool.storage.tracking.jobs import list_jobs

    rows = [_as_data(job) for job in list_jobs(connection.run, study_id) if job.name not in ("notify", "regret")]
    value = "\n".join(f"{row['to']}: {row['arrived']} arrived, {row['missing']} missing" for row in rows)
    show(Answer(data=rows, rows=rows, value=value, empty="the study has no exports"), format)


def _as_data(job: JobRecord) -> dict[str, Any]:
    return {
        "to": job.name,
        "arrived": job.arrived,
        "missing": job.missing,
        "refused": list(job.refused),
        "by": job.holder,
        "trouble": job.trouble,
        "trouble_s": None if job.trouble_s is None else round(job.trouble_s, 1),
    }
