"""From a study file on the command line to a study."""

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
    typer.Option("--set", metavar="KEY=VALUE", help="Override: --set budget.trials=400.", show_default=False),
]


def read_study(file: Path, assignments: Sequence[str] | None) -> StudySpec:
    """The study that ``file`` describes, with what ``--set`` says put in.

    Raises:
        NotFoundError: there is no such file.
        InputError: it is not text; as StudyFileError, everything that is wrong in it.
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
        raise InputError(f"the study file {file} is not text in UTF-8", f"file {file} says what it is") from None
    except OSError as error:
        raise InputError(f"the study file {file} cannot be read: {error.strerror}", f"ls -ld {file}") from None
