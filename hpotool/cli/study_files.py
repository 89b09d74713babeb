"""Reads the study file that a command line names."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.errors import InputError, paste
from hpotool.user_files import read_text_file

if TYPE_CHECKING:
    from hpotool.study.spec import StudySpec

_OTHER_LANGUAGES = (".py", ".sh", ".ipynb", ".csv", ".db")
_NAMED = 5  # files in a hint

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a value: --set budget.trials=400.", show_default=False
    ),
]


def read_study(file: Path, assignments: Sequence[str] | None) -> StudySpec:
    """The study described by ``file``, with the overrides of ``--set`` applied.

    Raises:
        NotFoundError: there is no such file.
        InputError: the file is not text; as StudyFileError, all mistakes in it.
    """
    from hpotool.study.file.reader import read_study_file

    text = read_text_file(file, "study file", hint=lambda: _hint_for_missing(file))
    if file.suffix.lower() in _OTHER_LANGUAGES:
        raise InputError(
            f"{file} is no study file, which is YAML",
            f"to write one from a script: {paste('init', '--', str(file))}",
        )
    return read_study_file(text, str(file), assignments or [])


def _hint_for_missing(file: Path) -> str:
    """What was probably meant, of the YAML files in that folder."""
    found = sorted(path for path in file.parent.glob("*") if path.suffix.lower() in (".yaml", ".yml"))
    alike = get_close_matches(file.name, [path.name for path in found if path != file], n=1)
    if alike:
        return f"did you mean {file.parent / alike[0]}?"
    if found:
        return f"the YAML files there: {', '.join(str(path) for path in found[:_NAMED])}"
    return "write one from a script or an example: hpotool init train.py, hpotool init --example quadratic"
