"""Options shared by several commands, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hpotool.cli.output import Format
from hpotool.cli.study_word import complete_study

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
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="Output format.")]
TrialArgument = Annotated[int, typer.Argument(metavar="TRIAL", help="The trial's number.", min=0)]
OutputFileOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write to this file instead of stdout.", show_default=False
    ),
]
