"""``hpotool archive`` and ``unarchive``."""

from __future__ import annotations

from hpotool.cli.options import StorageOption, StudyOption
from hpotool.cli.output import say
from hpotool.errors import paste


def archive(study: StudyOption = None, storage: StorageOption = None) -> None:
    """Hide a study from `hpotool studies`, without changing it."""
    name, changed = _set(study, storage, archived=True)
    undo = paste("unarchive", "--study", name)
    say(f"{name} is archived; to undo: {undo}" if changed else f"{name} is already archived")


def unarchive(study: StudyOption = None, storage: StorageOption = None) -> None:
    """Show an archived study again."""
    name, changed = _set(study, storage, archived=False)
    say(f"{name} is no longer archived" if changed else f"{name} is not archived")


def _set(study: str | None, storage: str | None, *, archived: bool) -> tuple[str, bool]:
    from hpotool.cli.database import connect, identify_study
    from hpotool.storage.control.keeping import set_archived

    connection = connect(storage)
    study_id, name = identify_study(connection, study)
    return name, set_archived(connection, study_id, archived=archived)
