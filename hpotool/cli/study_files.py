"""Reads the study file that a command line names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from hpotool.study.spec import StudySpec

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

    return read_study_file(_read_text(file), str(file), assignments or [])


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NotFoundError(
            f"the study file {file} does not exist", "hpotool create-study studies/….yaml"
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"the study file {file} is not UTF-8 text", f"to see what it is: file {file}") from None
    except OSError as error:
        raise InputError(f"the study file {file} cannot be read: {error.strerror}", f"ls -ld {file}") from None
