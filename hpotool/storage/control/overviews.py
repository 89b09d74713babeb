"""An overview of all studies in a database, in one round trip, whatever their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpotool.storage.control.studies import StudySummary, has_table
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.queries import query


@dataclass(frozen=True)
class StudyOverview:
    """One study of the overview. A study of plain Optuna has no state and no age.

    Attributes:
        made_s: time since it was created.
        heard_s: time since a worker's last sign of life or a change of state.
        workers: the number of workers that gave a recent sign of life.
        best: the best value; None with several metrics, with constraints, or before a trial is complete.
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
        """The number of trials that count towards the budget."""
        counts = self.summary.trials
        return counts.get("COMPLETE", 0) + counts.get("PRUNED", 0) - self.taken_over

    @property
    def shown_state(self) -> str | None:
        """The state; ``done`` as soon as the budget is used up, although only the next claim stores it."""
        is_used = self.budget_trials is not None and self.finished >= self.budget_trials
        return "done" if self.state == "running" and is_used else self.state


def read_overviews(
    connection: Connection, summaries: Sequence[StudySummary], gone_after_s: float
) -> list[StudyOverview]:
    """The overview of these studies, in order; counts workers with a sign of life within ``gone_after_s``."""
    if not has_table(connection, "hpotool.study_settings"):
        return [StudyOverview(summary) for summary in summaries]
    rows = {row[0]: row[1:] for row in connection.run(query("list_overviews"), {"gone_after_s": gone_after_s})}
    return [StudyOverview(summary, *rows.get(summary.name, ())) for summary in summaries]
