"""``hpotool rename``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.commands.keep.delete import refuse_while_workers_live
from hpotool.cli.options import StorageOption
from hpotool.cli.output import say
from hpotool.errors import InputError, paste

if TYPE_CHECKING:
    from pathlib import Path

_FOLDERS = (
    "logs",
    "checkpoints",
    "checkpoint-copies",
)  # folders of the home folder that have a subfolder for each study


def rename(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="The study.")],
    name: Annotated[str, typer.Argument(metavar="NEW_NAME", help="The new name.")],
    storage: StorageOption = None,
) -> None:
    """Rename a study, and its logs and checkpoints on this machine."""
    from hpotool.api.actor import current_actor
    from hpotool.cli.database import connect, identify_study
    from hpotool.storage.control.keeping import rename_study
    from hpotool.storage.database.schema import ensure_schema

    check_new_name(name, "rename", study)
    connection = connect(storage)
    study_id, old = identify_study(connection, study)
    if name == old:
        raise InputError(f"the study is already named {old!r}", paste("rename", "--", old, "NEW_NAME"))
    ensure_schema(connection.url)
    refuse_while_workers_live(connection, study_id, old, "wait until they have left")
    rename_study(connection, old, name, current_actor())
    for stays in _move_folders(old, name):
        say(f"{stays} was not renamed: a folder with the new name already exists")
    say(f"study {old!r} is now named {name!r}")
    say("checkpoints on other machines and at URLs keep the old name: trials that resume there start from scratch")


def check_new_name(name: str, command: str, study: str) -> None:
    """Refuse a name that is not allowed in a study file.

    Raises:
        InputError: the name is not allowed.
    """
    from hpotool.study.file.grammar.values import check_study_name

    try:
        check_study_name(name)
    except ValueError as error:
        raise InputError(str(error), paste(command, "--", study, "NEW_NAME")) from None


def _move_folders(old: str, name: str) -> list[Path]:
    """Rename the folders on this machine; return those that could not be renamed."""
    from hpotool.settings import home_folder, study_folder_name

    left = []
    for kind in _FOLDERS:
        folder = home_folder() / kind / study_folder_name(old)
        target = folder.with_name(study_folder_name(name))
        if folder.is_dir() and target.exists():
            left.append(folder)
        elif folder.is_dir():
            folder.rename(target)
    return left
