"""``hpotool create-study``."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from hpotool.cli.options import StorageOption
from hpotool.cli.output import say
from hpotool.errors import InputError, NotFoundError


def create_study(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The study file.")],
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override: --set budget.trials=400.", show_default=False),
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Create a study from its file, or resume it; the study's name goes to stdout."""
    from hpotool.cli.database import connect
    from hpotool.storage.creation import create_or_resume
    from hpotool.study.file import read_study_file

    spec = read_study_file(_read_text(file), str(file), assignments or [])
    done = create_or_resume(connect(storage), spec, f"create-study by {getpass.getuser()}")
    if done.is_new:
        budget = f"{done.spec.budget.trials} trials" if done.spec.budget.trials is not None else "no limit"
        warm = f", {len(done.spec.warm_start)} queued" if done.spec.warm_start else ""
        say(f"created study {done.spec.name!r}: {budget}{warm}")
    else:
        say(f"study {done.spec.name!r} exists and is resumed")
        for change in done.changes:
            say(f"  taken over: {change}")
    say(f"next: hpotool worker --study {done.spec.name}")
    sys.stdout.write(done.spec.name + "\n")


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
