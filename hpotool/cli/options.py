"""Options shared by several commands, each defined once."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from hpotool.cli.output import Format
from hpotool.cli.study_word import complete_pool, complete_study
from hpotool.errors import InputError

StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        help="Postgres URL [default: HPOTOOL_STORAGE, the config file, or the embedded Postgres].",
        show_default=False,
    ),
]
StudyOption = Annotated[
    str | None,
    typer.Option(
        "--study",
        "-s",
        metavar="NAME",
        help="The study; can also be the first argument [default: HPOTOOL_STUDY, or the only study].",
        envvar="HPOTOOL_STUDY",
        show_envvar=False,
        show_default=False,
        autocompletion=complete_study,
    ),
]
PoolOption = Annotated[
    str | None,
    typer.Option(
        "--pool",
        metavar="NAME",
        help="Serve every study of this pool, by priority and weight.",
        show_default=False,
        autocompletion=complete_pool,
    ),
]
FormatOption = Annotated[
    Format, typer.Option("--format", "-f", metavar="FORMAT", help="table, json, csv, yaml or value.")
]
TrialArgument = Annotated[int, typer.Argument(metavar="TRIAL", help="The trial's number.", min=0)]
OutputFileOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write to this file instead of stdout.", show_default=False
    ),
]


def refuse_study_beside_pool(study: str | None, problem: str, hint: str) -> None:
    """Refuse a study on the command line; the one of HPOTOOL_STUDY is not meant where a pool is named.

    Raises:
        InputError: with ``problem`` and ``hint``.
    """
    if study is not None and study != os.environ.get("HPOTOOL_STUDY"):
        raise InputError(problem, hint)


def read_duration(option: str, text: str, examples: str = "30s, 5m or 2h") -> timedelta:
    """The duration that was given to an option, like ``90m``.

    Raises:
        InputError: it is none; the hint has the ``examples``.
    """
    from hpotool.study.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(f"{option} {error}", f"write it like {option} {examples}") from None
