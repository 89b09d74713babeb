"""``hpotool reproduce``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, say, show
from hpotool.cli.screen.text import words
from hpotool.errors import EXIT_DONE, EXIT_FAILED, InputError, paste

if TYPE_CHECKING:
    from hpotool.study.origins.recipe import Recipe

_ANYWAY = "bring that data back to these paths, or link it there; --anyway runs it all the same"
_WRITE_LOCK = "hpotool reproduce STUDY TRIAL writes a folder with a lock.json"


def reproduce(
    trial: Annotated[
        int | None, typer.Argument(metavar="TRIAL", help="The trial's number.", min=0, show_default=False)
    ] = None,
    study: StudyOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="The folder to write [default: STUDY-TRIAL].",
            show_default=False,
        ),
    ] = None,
    code: Annotated[
        Path,
        typer.Option(
            "--code", metavar="FOLDER", help="A git repository or folder with the code, and the study's data."
        ),
    ] = Path(),
    run: Annotated[
        Path | None,
        typer.Option("--run", metavar="LOCK", help="Run a trial again from its lock file.", show_default=False),
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="With --run: also with other data.")] = False,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> int:
    """Write a folder that runs a trial again: its code, parameters, seed, pinned packages, hashes of data."""
    if run is not None:
        return _run(_read_lock(run), format, anyway=anyway)
    if trial is None:
        raise InputError(
            "reproduce needs the number of a trial",
            paste("reproduce", *(["--study", study] if study else []), "7"),
        )
    if not code.exists():
        raise InputError(f"--code: there is nothing at {code}", f"paths are relative to {Path.cwd()}")
    from hpotool.analysis.origins.recipe import read_recipe
    from hpotool.cli.database import connect, load_study
    from hpotool.origins.reproduction import write_reproduction

    connection = connect(storage)
    loaded = load_study(connection, study, with_reevaluations=True)
    recipe = read_recipe(connection, loaded, trial)
    folder = output or Path(f"{loaded.study_name}-{trial}")
    write_reproduction(recipe, folder, code.resolve())
    differences = _differences_of_data(recipe, code)
    for difference in differences:
        say(f"its data is another one here: {difference}")
    data = {"study": loaded.study_name, "trial": trial, "folder": str(folder), "data_differs": differences}
    show(
        Answer(
            data=data,
            rows=[data],
            value=str(folder),
            picture=lambda: words(f"wrote {folder}; to run it: {folder}/reproduce.sh"),
        ),
        format,
    )
    return EXIT_DONE


def _read_lock(path: Path) -> Recipe:
    from hpotool.study.origins.recipe import Recipe

    try:
        return Recipe.of(json.loads(path.read_text()))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", _WRITE_LOCK) from error
    except ValueError as error:
        raise InputError(f"{path} cannot be read: {error}", _WRITE_LOCK) from error


def _differences_of_data(recipe: Recipe, folder: Path) -> list[str]:
    from hpotool.origins.data import DataReader
    from hpotool.origins.hash_cache import HashCache
    from hpotool.settings import home_folder
    from hpotool.study.origins.differences import say_other_data

    here = DataReader(list(recipe.data or {}), HashCache(home_folder() / "hashes"), folder.resolve()).read()
    return say_other_data(recipe.data or {}, here.content) if here is not None else []


def _run(recipe: Recipe, format: Format, *, anyway: bool) -> int:
    from hpotool.study.origins.recipe import say_other_results
    from hpotool.worker.rerun import rerun

    differences = _differences_of_data(recipe, Path())
    if differences and not anyway:
        raise InputError("\n".join(["the data of the trial is another one here", *differences]), _ANYWAY)
    for difference in (*differences, *_differences_of_environment(recipe)):
        say(f"differs: {difference}")
    done = rerun(recipe)
    outcome = done.result.outcome.value
    other = say_other_results(recipe, outcome, done.values, done.reports)
    if other and done.result.reason:
        say(f"it ended {outcome}: {done.result.reason}")
    data = {
        "study": recipe.study["study"],
        "trial": recipe.number,
        "outcome": outcome,
        "values": dict(done.values),
        "is_same": not other,
        "differences": other,
    }
    show(Answer(data=data, rows=[data], value=str(not other).lower(), picture=lambda: words(_say(data))), format)
    return EXIT_FAILED if other else EXIT_DONE


def _differences_of_environment(recipe: Recipe) -> list[str]:
    from hpotool.origins.environment import read_environment
    from hpotool.study.origins.differences import find_different, flatten

    if recipe.environment is None:
        return []
    found = find_different([flatten("environment", one) for one in (recipe.environment, read_environment())])
    return [f"{name} is {now or 'not there'}, and was {was or 'not there'}" for name, (was, now) in found.items()]


def _say(data: dict[str, Any]) -> str:
    values = ", ".join(f"{name} {value!r}" for name, value in data["values"].items()) or data["outcome"]
    if data["is_same"]:
        return f"trial {data['trial']} of {data['study']} gave the same again: {values}"
    return f"trial {data['trial']} of {data['study']} gave something else: {'; '.join(data['differences'])}"
