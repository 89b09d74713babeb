"""``hpotool export``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import OutputFileOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, say, show
from hpotool.errors import InputError

if TYPE_CHECKING:
    from optuna import Study

    from hpotool.storage.database.connection import Connection


class What(str, Enum):
    """What to export."""

    PARAMS = "params"
    TRIALS = "trials"


class FileFormat(str, Enum):
    """The format of an export."""

    CSV = "csv"
    JSON = "json"
    YAML = "yaml"
    PARQUET = "parquet"


_ENDINGS = {
    ".csv": FileFormat.CSV,
    ".json": FileFormat.JSON,
    ".yaml": FileFormat.YAML,
    ".yml": FileFormat.YAML,
    ".parquet": FileFormat.PARQUET,
}


def export(
    what: Annotated[
        What, typer.Argument(metavar="WHAT", help="params: those of the best trial; trials: all of them.")
    ] = What.PARAMS,
    study: StudyOption = None,
    trial: Annotated[
        int | None,
        typer.Option(
            "--trial", metavar="N", min=0, help="Use this trial instead of the best.", show_default=False
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            "-n",
            metavar="N",
            min=1,
            help="The N best trials, each in a file of its own.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        bool, typer.Option("--steps", help="For trials: one line per reported step instead of per trial.")
    ] = False,
    format: Annotated[
        FileFormat | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="csv, json, yaml or parquet "
            "[default: from the file's ending, else yaml for params, csv for trials]",
            show_default=False,
        ),
    ] = None,
    output: OutputFileOption = None,
    storage: StorageOption = None,
) -> None:
    """Export the best parameters (to train with) or all trials (for a data frame)."""
    from hpotool.cli.database import connect, load_study

    _check(what, trial, count, steps)
    chosen = format or _format_of(output) or (FileFormat.YAML if what is What.PARAMS else FileFormat.CSV)
    _check_parquet(chosen, what, output)
    connection = connect(storage)
    loaded = load_study(connection, study, with_reevaluations=what is What.TRIALS or trial is not None)
    if what is What.TRIALS:
        _write_rows(_rows(connection, loaded, steps), chosen, output)
    else:
        _write_params(_params(connection, loaded, trial, count), chosen, output, is_list=count is not None)


def _check(what: What, trial: int | None, count: int | None, steps: bool) -> None:
    """Refuse options that cannot be combined."""
    if what is What.TRIALS and trial is not None:
        raise InputError("--trial goes with params, not with trials", "hpotool export params --trial N")
    if what is What.TRIALS and count is not None:
        raise InputError("-n goes with params, not with trials", "hpotool export params -n 5")
    if what is What.PARAMS and steps:
        raise InputError("--steps goes with trials, not with params", "hpotool export trials --steps")
    if trial is not None and count is not None:
        raise InputError("--trial names one trial, and -n asks for several", "hpotool export params -n 5")


def _check_parquet(chosen: FileFormat, what: What, output: Path | None) -> None:
    """Refuse Parquet if it cannot be written, before reading anything."""
    from importlib.util import find_spec

    if chosen is not FileFormat.PARQUET:
        return
    if what is What.PARAMS:
        raise InputError("parquet is for trials, not for params", "hpotool export trials -o trials.parquet")
    if output is None:
        raise InputError("parquet cannot be written to a terminal", "hpotool export trials -o trials.parquet")
    if find_spec("pyarrow") is None:
        raise InputError("writing parquet needs pyarrow", "pip install 'hpotool[parquet]'")


def _rows(connection: Connection, study: Study, steps: bool) -> list[dict[str, Any]]:
    from hpotool.analysis.exports.export import step_rows, trial_rows
    from hpotool.analysis.origins.lineage import read_summaries
    from hpotool.storage.control.studies import list_attempts

    origins = read_summaries(connection, study)
    if steps:
        return step_rows(study, origins)
    return trial_rows(study, list_attempts(connection, study.study_name), origins)


def _params(connection: Connection, study: Study, trial: int | None, count: int | None) -> list[dict[str, Any]]:
    from hpotool.analysis.confirmation.ranking import find_confirmed_best, read_confirmed
    from hpotool.analysis.exports.export import best_params, several_params, trial_params
    from hpotool.storage.control.studies import has_replicates

    if trial is not None:
        return [trial_params(study, trial)]
    replicates = has_replicates(connection, study.study_name)
    confirmed = read_confirmed(connection, study)
    found = find_confirmed_best(study, confirmed, count or 1, replicates=replicates)
    return [best_params(study, found)] if count is None else several_params(study, count, found)


def _write_rows(rows: list[dict[str, Any]], chosen: FileFormat, output: Path | None) -> None:
    if chosen is FileFormat.PARQUET and output is not None:
        from hpotool.analysis.exports.parquet import write_parquet

        with _explaining(output):
            write_parquet(rows, output)
    else:
        with _writing_to(output):
            show(Answer(data=rows, rows=rows, value="", empty="no trials yet"), Format(chosen.value))
    if output is not None:
        say(f"wrote {output}")


def _write_params(
    found: Sequence[dict[str, Any]], chosen: FileFormat, output: Path | None, *, is_list: bool
) -> None:
    """One mapping; for several trials a list, or one file each, because readers expect one mapping."""
    if not is_list:
        _write(found[0], found, chosen, output)
    elif output is None or chosen is FileFormat.CSV:
        _write(list(found), found, chosen, output)
    else:
        for rank, params in enumerate(found, start=1):
            _write(params, [params], chosen, output.with_name(f"{output.stem}-{rank}{output.suffix}"))


def _write(data: Any, rows: Sequence[dict[str, Any]], chosen: FileFormat, output: Path | None) -> None:
    with _writing_to(output):
        show(Answer(data=data, rows=rows, value=""), Format(chosen.value))
    if output is not None:
        say(f"wrote {output}")


def _format_of(output: Path | None) -> FileFormat | None:
    """The format that the file's ending stands for.

    Raises:
        InputError: the ending is unknown.
    """
    if output is None or not output.suffix:
        return None
    found = _ENDINGS.get(output.suffix.lower())
    if found is None:
        known = ", ".join(_ENDINGS)
        raise InputError(
            f"{output} ends with {output.suffix}, but the known endings are {known}",
            "choose another ending, or give the format: --format csv",
        )
    return found


@contextlib.contextmanager
def _writing_to(path: Path | None) -> Iterator[None]:
    if path is None:
        yield
        return
    with _explaining(path), path.open("w", encoding="utf-8") as file, contextlib.redirect_stdout(file):
        yield


@contextlib.contextmanager
def _explaining(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", "choose another --output") from error
