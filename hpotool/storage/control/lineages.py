"""How the lineages of a study stand: which of them are open, and which have a result."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hpotool.storage.control.studies import list_studies, read_progress
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.queries import query

_OPEN = frozenset({"RUNNING", "WAITING"})
_LINEAGE = re.compile(r"trial-(\d+)")


@dataclass(frozen=True)
class StudyOnDisk:
    """A study as what it left on disks is judged by.

    ``is_over``: it is done or stopped, or deleted. ``states``: of the trials of each lineage, by its number.
    """

    name: str
    is_over: bool
    living_workers: frozenset[str] = frozenset()
    states: Mapping[int, frozenset[str]] = field(default_factory=dict)

    def is_open(self, folder_name: str) -> bool:
        """Whether a trial of the folder's lineage runs or waits."""
        match = _LINEAGE.fullmatch(folder_name)
        return match is not None and bool(self.states.get(int(match[1]), frozenset()) & _OPEN)

    def is_unneeded(self, folder_name: str, even_finished: bool) -> bool:
        """Whether the folder is a lineage's whose trials have all failed; ``even_finished``: or finished."""
        match = _LINEAGE.fullmatch(folder_name)
        if match is None:
            return False
        states = self.states.get(int(match[1]), frozenset())
        return not states & _OPEN and (even_finished or states <= {"FAIL"})


def read_studies_on_disk(connection: Connection, name: str | None = None) -> list[StudyOnDisk]:
    """Every study of the database, or the one of that name where there is one."""
    found = []
    for summary in list_studies(connection, name):
        progress = read_progress(connection, summary)
        living = frozenset(str(worker["id"]) for worker in progress.workers)
        rows = connection.run(query("lineage_states"), {"study_name": summary.name})
        states = {root: frozenset(states) for root, states in rows}
        found.append(StudyOnDisk(summary.name, progress.state in ("done", "stopped"), living, states))
    return found
