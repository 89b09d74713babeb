"""Every study of a database at a glance, to find yesterday's among them. One round trip, whatever their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpotool.storage.control.studies import StudySummary, has_table
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.queries import query


@dataclass(frozen=True)
class StudyOverview:
    """One study in a list. What plain Optuna made has no state and no age.

    Attributes:
        made_s: how long ago it was made.
        heard_s: how long ago a worker of it was heard of, or its state changed.
        workers: how many were heard of lately.
        best: the best value of one metric; None with several, with constraints, and before a trial is complete.
    """

    summary: StudySummary
    state: str | None = None
    budget_trials: int | None = None
    taken_over: int = 0
    made_s: float | None = None
    heard_s: float | None = None
    workers: int = 0
    best: float | None = None

    @property
    def finished(self) -> int:
        """How many trials count towards the budget."""
        counts = self.summary.trials
        return counts.get("COMPLETE", 0) + counts.get("PRUNED", 0) - self.taken_over

    @property
    def shown_state(self) -> str | None:
        """The state, ``done`` as soon as the budget is used: only the next claim writes that."""
        is_used = self.budget_trials is not None and self.finished >= self.budget_trials
        return "done" if self.state == "running" and is_used else self.state


def read_overviews(
    connection: Connection, summaries: Sequence[StudySummary], gone_after_s: float
) -> list[StudyOverview]:
    """These studies in their order; a worker counts that was heard of within ``gone_after_s``."""
    if not has_table(connection, "hpotool.study_settings"):
        return [StudyOverview(summary) for summary in summaries]
    rows = {row[0]: row[1:] for row in connection.run(query("list_overviews"), {"gone_after_s": gone_after_s})}
    return [StudyOverview(summary, *rows.get(summary.name, ())) for summary in summaries]
