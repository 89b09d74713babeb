"""``hpotool run``: the final training."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, say, show
from hpotool.errors import EXIT_DONE, InputError, paste

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hpotool.analysis.finals.finals import Final
    from hpotool.storage.database.connection import Connection
    from hpotool.study.spec import StudySpec


def run(
    study: StudyOption = None,
    trial: Annotated[
        int | None,
        typer.Option(
            "--trial", metavar="N", min=0, help="The trial whose parameters are trained.", show_default=False
        ),
    ] = None,
    final: Annotated[
        bool, typer.Option("--final", help="Run the final training, whose artifacts are kept.")
    ] = False,
    artifacts: Annotated[
        str | None,
        typer.Option(
            "--artifacts",
            metavar="PATH|URL",
            help="Where to keep the artifacts [default: below HPOTOOL_HOME].",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", metavar="PATH", help="Also record the hash of this file or folder; repeatable."),
    ] = None,
    gpu: Annotated[
        str | None, typer.Option("--gpu", metavar="DEVICES", help="As for hpotool worker.", show_default=False)
    ] = None,
    checkpoints: Annotated[
        str | None,
        typer.Option("--checkpoints", metavar="PATH|URL", help="As for hpotool worker.", show_default=False),
    ] = None,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> int:
    """Train a trial's parameters once more, on this machine; keep the artifacts and how to reproduce them.

    In the objective, hpotool.phase() returns final, hpotool.holdout() returns the held-out data, and
    hpotool.log_artifact() keeps a file or folder. A second run reports whether the result was the same.
    """
    from hpotool.worker.signals import leave_on_signals

    if trial is None or not final:
        raise InputError("run needs both --trial and --final", "hpotool run --trial 12 --final")
    with leave_on_signals(say):
        return _run(study, trial, artifacts, data or [], gpu, checkpoints, storage, format)


def _run(
    study: str | None,
    number: int,
    artifacts: str | None,
    data: list[Path],
    gpu: str | None,
    checkpoints: str | None,
    storage: str | None,
    format: Format,
) -> int:
    from hpotool.analysis.confirmation.points import named_points
    from hpotool.api.actor import current_actor
    from hpotool.cli.commands.decide.confirm import refuse_branches
    from hpotool.cli.database import adopt_study, connect, load_study
    from hpotool.storage.control.creation import read_spec
    from hpotool.storage.control.finals import queue_final
    from hpotool.worker.checkpoints.location import CheckpointLocation
    from hpotool.worker.final_training.artifact_place import ArtifactPlace
    from hpotool.worker.final_training.keeper import FinalKeeper
    from hpotool.worker.gpu import DeviceMeter, Nvml, choose_slots
    from hpotool.worker.log import set_up_logging
    from hpotool.worker.serving.options import WorkerOptions
    from hpotool.worker.start import FinalTraining, run_worker

    set_up_logging("text", "")
    connection = connect(storage)
    study_id, name = adopt_study(connection, study)
    _, spec = read_spec(connection, name)
    refuse_branches(spec)
    loaded = load_study(connection, name)
    [point] = named_points(loaded, [number])
    _refuse_missing(data)
    location = CheckpointLocation.parse(artifacts or str(_default_location(name, number)))
    place = ArtifactPlace(location)
    place.check_writable()
    nvml = Nvml()
    slots = choose_slots(gpu, nvml)
    if len(slots) > 1:
        raise InputError(
            "a final training runs on one slot, but --gpu names several", "--gpu 0, or --gpu 0,1 for both"
        )
    made_of = _made_of(spec, number, dict(point.params), data)
    trial_id = queue_final(connection.run, study_id, name, point.name, point.params, f"run by {current_actor()}")
    keeper = FinalKeeper(place, made_of)
    try:
        options = WorkerOptions(slots[0], DeviceMeter(nvml, slots[0]), nvml, checkpoints, has_breaker=False)
        departure = run_worker(connection.url, name, options, FinalTraining(trial_id, keeper))
    finally:
        keeper.close()
    if departure.exit_code == EXIT_DONE:
        _show(connection, name, point.name, made_of["command"], format)
    else:
        say(f"to continue it: {made_of['command']}")
    return departure.exit_code


def _show(connection: Connection, name: str, point: str, command: str, format: Format) -> None:
    from hpotool.analysis.finals.finals import earlier_final, list_finals
    from hpotool.cli.database import load_study

    finals = list_finals(load_study(connection, name, with_reevaluations=True))
    own = [one for one in finals if one.point == point and one.state == "COMPLETE"][-1]
    show(final_answer(own, earlier_final(finals, own), command), format)


def final_answer(final: Final, earlier: Final | None, command: str) -> Answer:
    """The result of a final training, its location, and whether it reproduced the previous one."""
    from hpotool.analysis.finals.finals import differences_between, say_repetition

    repetition = None if earlier is None else say_repetition(earlier, final)
    data = {
        **final.as_data(),
        "command": command,
        "repeats": None
        if earlier is None
        else {"trial": earlier.number, "is_same": not differences_between(earlier, final), "sentence": repetition},
    }
    return Answer(
        data=data,
        rows=[dict(file) for file in final.files],
        value=final.place or "",
        picture=lambda: _draw(final, command, repetition),
    )


def _draw(final: Final, command: str, repetition: str | None) -> RenderableType:
    from rich.console import Group

    from hpotool.cli.output import table
    from hpotool.cli.screen.tables import record
    from hpotool.study.wording import plain_cell

    lines: dict[str, Any] = {
        "trial": f"{final.number}, the final training of {final.point}",
        **{name: plain_cell(value) for name, value in final.values.items()},
        "artifacts": final.place,
        "compared": repetition,
        "again": command,
    }
    rows = [{"file": one["name"], "bytes": one["bytes"], "sha256": one["sha256"][:16]} for one in final.files]
    return Group(record(lines, 10), *([table(rows)] if rows else []))


def _made_of(spec: StudySpec, number: int, params: dict[str, Any], data: list[Path]) -> dict[str, Any]:
    """What the training was made of: command, code, data and settings; the worker adds the environment."""
    from hpotool.origins.origin import make_reader
    from hpotool.storage.control.versions import running_versions
    from hpotool.study.file.resolved import to_document
    from hpotool.worker.final_training.keeper import hash_data

    named = make_reader(spec).read()
    known = (
        {} if named is None else {path: one.get("hash") or one["trouble"] for path, one in named.content.items()}
    )
    words = ["run", "--study", spec.name, "--trial", str(number), "--final"]
    return {
        "command": paste(*words, *(word for path in data for word in ("--data", str(path)))),
        "code": running_versions(spec.objective),
        "data": known | {str(path): hash_data(path) for path in data},
        "holdout": list(spec.holdout),
        "params": params,
        "study": to_document(spec),
        "folder": str(Path.cwd()),
    }


def _refuse_missing(data: list[Path]) -> None:
    missing = [str(path) for path in data if not path.exists()]
    if missing:
        raise InputError(
            f"--data: there is nothing at {', '.join(missing)}", f"paths are relative to {Path.cwd()}"
        )


def _default_location(study: str, number: int) -> Path:
    """A folder of its own for each training, so that two can be compared."""
    from hpotool.settings import home_folder, study_folder_name

    parent = home_folder() / "artifacts" / study_folder_name(study)
    parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"trial-{number}-", dir=parent))
