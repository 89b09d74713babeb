"""``hpotool note`` and ``tag``: notes and tags on a study or a trial."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import StorageOption, StudyOption
from hpotool.cli.output import say
from hpotool.errors import InputError

if TYPE_CHECKING:
    from hpotool.storage.database.connection import Connection


def note(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TRIAL] [TEXT]",
            help="The trial's number, for a note on a trial; the note.",
            show_default=False,
        ),
    ] = None,
    study: StudyOption = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the note.")] = False,
    storage: StorageOption = None,
) -> None:
    """Add a note to a study or a trial, in Markdown; the dashboard shows it.

    Without TEXT, print the note.
    """
    from hpotool.api.actor import current_actor
    from hpotool.cli.database import connect, identify_study
    from hpotool.storage.control.keeping import read_note, write_note

    number, text = _read(words or [])
    if remove and text:
        raise InputError("--remove does not take a text", "hpotool note STUDY --remove")
    connection = connect(storage)
    study_id, name = identify_study(connection, study)
    about = name if number is None else f"trial {number} of {name}"
    if text or remove:
        write_note(connection, study_id, text, number, actor=current_actor())
        say(f"added the note on {about}" if text else f"removed the note on {about}")
        return
    found = read_note(connection, study_id, number)
    if found:
        sys.stdout.write(found + "\n")
    else:
        say(f"there is no note on {about}")


def _read(words: list[str]) -> tuple[int | None, str]:
    """The trial's number, if the words start with one, and the text."""
    number, rest = _read_number(words)
    if len(rest) > 1:
        raise InputError(f"the note has {len(rest)} parts", "put it in quotes: hpotool note STUDY 'TEXT'")
    return number, rest[0] if rest else ""


def _read_number(words: list[str]) -> tuple[int | None, list[str]]:
    return (int(words[0]), words[1:]) if words and words[0].isdecimal() else (None, words)


def tag(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TRIAL] [KEY=VALUE...]",
            help="The trial's number, for tags of a trial; KEY= removes a tag.",
            show_default=False,
        ),
    ] = None,
    study: StudyOption = None,
    storage: StorageOption = None,
) -> None:
    """Set tags of a study, like `tags:` in its file, or of a trial; without KEY=VALUE, print the tags."""
    from hpotool.cli.database import connect

    number, tags = _read_number(words or [])
    connection = connect(storage)
    after = _tag_study(connection, study, tags) if number is None else _tag_trial(connection, study, number, tags)
    sys.stdout.write("".join(f"{key}={value}\n" for key, value in sorted(after.items())))


def _tag_study(connection: Connection, study: str | None, tags: list[str]) -> Mapping[str, str]:
    from hpotool.api.actor import current_actor
    from hpotool.cli.database import identify_study
    from hpotool.storage.control.creation import change_spec, read_spec
    from hpotool.study.file.reader import change_tags

    _, name = identify_study(connection, study)
    if tags:
        _, after = change_spec(connection, name, lambda stored: change_tags(stored, tags), current_actor())
    else:
        _, after = read_spec(connection, name)
    return after.tags


def _tag_trial(connection: Connection, study: str | None, number: int, tags: list[str]) -> Mapping[str, str]:
    from hpotool.cli.database import identify_study
    from hpotool.storage.control.keeping import change_trial_tags
    from hpotool.study.labels import read_tags

    study_id, _ = identify_study(connection, study)
    try:
        return change_trial_tags(connection, study_id, number, read_tags(tags))
    except ValueError as error:
        raise InputError(str(error), f"hpotool tag STUDY {number} owner=ann") from None
