"""``hpotool create-study``."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import FormatOption, StorageOption
from hpotool.cli.output import Answer, Format, say, show
from hpotool.cli.study_files import SetOption, read_study
from hpotool.errors import InputError, paste
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    from hpotool.study.spec import StudySpec


class Watched(str, Enum):
    """What may have changed since the last study."""

    DATA = "data"
    CODE = "code"
    SPACE = "space"


def _flag(name: str, example: str, help: str) -> Any:
    return typer.Option(
        name, metavar=example, help=help, show_default=False, rich_help_panel="Flags instead of a file"
    )


def create_study(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The study file.", show_default=False)
    ] = None,
    study: Annotated[str | None, _flag("--study", "NAME", "The study's name.")] = None,
    objective: Annotated[
        str | None, _flag("--objective", "MODULE:FUNCTION", "The function that a trial runs.")
    ] = None,
    command: Annotated[
        str | None, _flag("--command", "'TRAIN --lr {lr}'", "Or a command, run without a shell.")
    ] = None,
    metric: Annotated[list[str] | None, _flag("--metric", "NAME:maximize", "A value it returns.")] = None,
    constraint: Annotated[
        list[str] | None, _flag("--constraint", "'NAME <= 50'", "A bound on another value.")
    ] = None,
    param: Annotated[
        list[str] | None,
        _flag("--param", "'lr=float(1e-5, 1e-1, log)'", "A parameter; also n=int(1, 9), k=choice(a, b)."),
    ] = None,
    trials: Annotated[
        str | None, _flag("--trials", "N", "Number of trials to finish [default: no limit].")
    ] = None,
    timeout: Annotated[str | None, _flag("--timeout", "30m", "Time limit of a trial [default: none].")] = None,
    sampler: Annotated[
        str | None, _flag("--sampler", "NAME", "tpe, random, grid, gp, cmaes, nsga2, … [default: auto].")
    ] = None,
    seed: Annotated[str | None, _flag("--seed", "N", "Makes the study reproducible.")] = None,
    pruner: Annotated[str | None, _flag("--pruner", "NAME", "median, hyperband, asha, … [default: none].")] = None,
    assignments: SetOption = None,
    if_changed: Annotated[
        list[Watched] | None,
        typer.Option(
            "--if-changed",
            metavar="WHAT",
            help="If data, code or space has changed: create NAME-DATE from the best points of the last study; "
            "else print no name; can be repeated.",
            show_default=False,
        ),
    ] = None,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Create or resume a study from a file or from flags; prints the study's name to stdout."""
    flags = {
        "study": study,
        "objective": objective,
        "command": command,
        "metrics": metric or [],
        "constraints": constraint or [],
        "parameters": param or [],
        "trials": trials,
        "timeout": timeout,
        "sampler": sampler,
        "seed": seed,
        "pruner": pruner,
    }
    spec = _spec(file, flags, assignments or [])
    if if_changed:
        _create_if_changed(spec, [one.value for one in dict.fromkeys(if_changed)], storage, format)
    else:
        _create(spec, storage, format)


def _spec(file: Path | None, flags: dict[str, Any], assignments: list[str]) -> StudySpec:
    from hpotool.study.file.flags import StudyFlags, read_study_flags

    if file is None:
        return read_study_flags(StudyFlags(**flags), assignments)
    if any(flags.values()):
        raise InputError(
            f"give either a study file or flags, not both: {file} and more",
            f"to override the file: {paste('create-study', '--set', 'KEY=VALUE', '--', str(file))}",
        )
    return read_study(file, assignments)


def _create_if_changed(spec: StudySpec, watched: list[Any], storage: str | None, format: Format) -> None:
    from datetime import datetime

    from hpotool.api.actor import current_actor
    from hpotool.api.retuning import create_if_changed
    from hpotool.cli.database import connect

    today = datetime.now().astimezone().date()  # of the place where people read the name
    done = create_if_changed(connect(storage), spec, watched, f"create-study by {current_actor()}", today)
    say(done.sentence)
    if done.study is not None:
        say(f"next: {paste('worker', '--study', done.study)}")
    _show(done.study, format, is_new=done.is_new, previous=done.previous, changed=dict(done.changed))


def _show(study: str | None, format: Format, **more: Any) -> None:
    """The name alone for a script, or all that was done as data."""
    if format in (Format.TABLE, Format.VALUE):
        sys.stdout.write(f"{study}\n" if study else "")
        return
    data = {"study": study, **more}
    show(Answer(data=data, rows=[data], value=study or ""), format)


def _create(spec: StudySpec, storage: str | None, format: Format) -> None:
    from hpotool.api.actor import current_actor
    from hpotool.cli.database import connect
    from hpotool.origins.study import read_here, remember_origin
    from hpotool.storage.control.creation import create_or_resume

    connection = connect(storage)
    done = create_or_resume(connection, spec, f"create-study by {current_actor()}")
    here = read_here(done.spec)
    differences = remember_origin(connection, done.spec, here, anew=bool(done.changes))
    if done.is_new:
        trials = done.spec.budget.trials
        budget = "no limit" if trials is None else count_of(trials, "trial")
        warm = f", {len(done.spec.warm_start)} queued" if done.spec.warm_start else ""
        say(f"created study {done.spec.name!r}: {budget}{warm}")
    else:
        say(f"study {done.spec.name!r} exists and is resumed")
        for change in done.changes:
            say(f"  changed: {change}")
        for difference in differences:
            say(f"  differs here from the study: {difference}")
    for path in (path for part in here for path in part.missing if done.is_new):
        say(f"{path} cannot be read here; the study takes the data of its first worker")
    say(f"next: {paste('worker', '--study', done.spec.name)}")
    _show(done.spec.name, format, is_new=done.is_new, previous=None, changed={})
