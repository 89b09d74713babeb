"""Tags and notes from a script: the same that the command line and the dashboard show."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from hpotool.api.actor import current_actor
from hpotool.api.studies import choose_study
from hpotool.errors import InputError
from hpotool.storage.control.creation import change_spec, find_study_id, read_spec
from hpotool.storage.control.keeping import change_trial_tags, read_note, write_note
from hpotool.study.file.reader import change_tags
from hpotool.study.labels import read_tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna import Study

    from hpotool.storage.optuna.postgres import PostgresStorage


def tag(
    study: str | Study | None = None,
    tags: Mapping[str, str] | None = None,
    *,
    trial: int | None = None,
    storage: str | PostgresStorage | None = None,
) -> dict[str, str]:
    """Set tags of a study or of one of its trials; return the tags that it then has.

    Args:
        study: its name, or the study itself. Default: HPOTOOL_STUDY, or the only study in the database.
        tags: the new tags; an empty value removes one. Default: change nothing.
        trial: the number of a trial, in any state. Default: tag the study.
        storage: the database's URL, or an open storage. Default: the database that ``hpotool`` uses.

    Raises:
        NotFoundError: there is no such study or trial.
        InputError: one of the tags is not valid, or the study has no study file.
    """
    chosen = choose_study(study, storage)
    words = _as_words(tags)
    with closing(chosen.connection) as connection:
        if trial is not None:
            try:
                changes = read_tags(words)
            except ValueError as error:
                raise InputError(str(error), "hpotool.tag(study, {'owner': 'ann'}, trial=3)") from None
            return change_trial_tags(connection, find_study_id(connection, chosen.name), trial, changes)
        if not words:
            return dict(read_spec(connection, chosen.name)[1].tags)
        changed = change_spec(connection, chosen.name, lambda spec: change_tags(spec, words), "hpotool.tag")
        return dict(changed[1].tags)


def note(
    study: str | Study | None = None,
    text: str | None = None,
    *,
    trial: int | None = None,
    storage: str | PostgresStorage | None = None,
) -> str:
    """Write the note on a study or on one of its trials, in Markdown; return the note that is there then.

    It is the dashboard's note, too. An empty text removes it; without a text nothing changes. The other arguments
    are those of `tag`.

    Raises:
        NotFoundError: there is no such study or trial.
    """
    chosen = choose_study(study, storage)
    with closing(chosen.connection) as connection:
        study_id = find_study_id(connection, chosen.name)
        if text is not None:
            write_note(connection, study_id, text, trial, actor=current_actor())
        return read_note(connection, study_id, trial)


def _as_words(tags: Mapping[str, str] | None) -> list[str]:
    """The tags as the command line has them.

    Raises:
        InputError: a name has an equals sign, behind which its value would begin.
    """
    for key in tags or {}:
        if "=" in key:
            raise InputError(f"the tag's name {key!r} has an '=' in it", "hpotool.tag(study, {'owner': 'ann'})")
    return [f"{key}={value}" for key, value in (tags or {}).items()]
