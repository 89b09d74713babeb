"""``hpotool export``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from hpotool.cli.options import OutputFileOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, say, show
from hpotool.errors import InputError


class What(str, Enum):
    """What is exported."""

    PARAMS = "params"
    TRIALS = "trials"


class FileFormat(str, Enum):
    """The format of what is exported."""

    CSV = "csv"
    JSON = "json"
    YAML = "yaml"


def export(
    what: Annotated[What, typer.Argument(help="The parameters of the best trial, or every trial.")] = What.PARAMS,
    study: StudyOption = None,
    trial: Annotated[
        int | None,
        typer.Option("--trial", min=0, help="The parameters of this trial, not of the best.", show_default=False),
    ] = None,
    format: Annotated[
        FileFormat | None,
        typer.Option(
            "--format",
            "-f",
            help="[default: the file's ending; else yaml for params, csv for trials]",
            show_default=False,
        ),
    ] = None,
    output: OutputFileOption = None,
    storage: StorageOption = None,
) -> None:
    """Write the best parameters (to train with) or all trials (for a data frame) in other programs' formats."""
    from hpotool.analysis.export import best_params, trial_params, trial_rows
    from hpotool.cli.database import connect, load_study
    from hpotool.storage.control.studies import has_replicates

    chosen = format or _format_of(output) or (FileFormat.YAML if what is What.PARAMS else FileFormat.CSV)
    if what is What.TRIALS and trial is not None:
        raise InputError("--trial goes with params, not with trials", "hpotool export params --trial N")
    connection = connect(storage)
    loaded = load_study(connection, study)
    if what is What.TRIALS:
        rows = trial_rows(loaded)
        answer = Answer(data=rows, rows=rows, value="", empty="no trials yet")
    else:
        replicates = has_replicates(connection, loaded.study_name)
        params = best_params(loaded, replicates=replicates) if trial is None else trial_params(loaded, trial)
        answer = Answer(data=params, rows=[params], value="")
    with _writing_to(output):
        show(answer, Format(chosen.value))
    if output is not None:
        say(f"wrote {output}")


def _format_of(output: Path | None) -> FileFormat | None:
    endings = {".csv": FileFormat.CSV, ".json": FileFormat.JSON, ".yaml": FileFormat.YAML, ".yml": FileFormat.YAML}
    return endings.get(output.suffix.lower()) if output else None


@contextlib.contextmanager
def _writing_to(path: Path | None) -> Iterator[None]:
    if path is None:
        yield
        return
    try:
        with path.open("w", encoding="utf-8") as file, contextlib.redirect_stdout(file):
            yield
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", "choose another --output") from error
