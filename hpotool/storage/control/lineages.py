"""The state of a study's lineages: which are open, and which have a result."""

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
    """A study's state, for deciding which of its files can be removed.

    ``is_over``: it is done, stopped or deleted. ``states``: the states of each lineage's trials, by its number.
    """

    name: str
    is_over: bool
    living_workers: frozenset[str] = frozenset()
    states: Mapping[int, frozenset[str]] = field(default_factory=dict)

    def is_open(self, folder_name: str) -> bool:
        """Whether a trial of the folder's lineage is running or waiting."""
        match = _LINEAGE.fullmatch(folder_name)
        return match is not None and bool(self.states.get(int(match[1]), frozenset()) & _OPEN)

    def is_unneeded(self, folder_name: str, even_finished: bool) -> bool:
        """Whether all trials of the folder's lineage have failed (or finished, if ``even_finished``)."""
        match = _LINEAGE.fullmatch(folder_name)
        if match is None:
            return False
        states = self.states.get(int(match[1]), frozenset())
        return not states & _OPEN and (even_finished or states <= {"FAIL"})


def read_studies_on_disk(connection: Connection, name: str | None = None) -> list[StudyOnDisk]:
    """Every study in the database, or only the one of that name."""
    found = []
    for summary in list_studies(connection, name):
        progress = read_progress(connection, summary)
        living = frozenset(str(worker["id"]) for worker in progress.workers)
        rows = connection.run(query("lineage_states"), {"study_name": summary.name})
        states = {root: frozenset(states) for root, states in rows}
        found.append(StudyOnDisk(summary.name, progress.state in ("done", "stopped"), living, states))
    return found
