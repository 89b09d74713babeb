"""The numbers behind ``/metrics``: six statements, whatever the number of studies, workers and trials.

A part that the role may not read, or that is missing, is left out and named; the others are read all the same.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hpotool.settings import Pulse
from hpotool.storage.control.studies import has_table
from hpotool.storage.database.connection import Connection, RefusedStatementError, Rows
from hpotool.storage.database.queries import query

QUANTILES = (0.5, 0.9, 0.99)
CLAIM_WINDOW_S = 600


@dataclass(frozen=True)
class Ended:
    """Attempts of one outcome on one slot: how many, their seconds, and how long ago the last one ended."""

    outcome: str
    slot: str
    count: int
    seconds: float
    ago_s: float


@dataclass(frozen=True)
class Claims:
    """How long workers were without a trial between two: a value for each of `QUANTILES`, their number and sum."""

    quantiles: Sequence[float]
    count: int
    sum_s: float


@dataclass(frozen=True)
class StudyGauges:
    """One study's numbers. ``reevaluations``: how many of the trials in each state are beside the search.

    ``workers`` are alive, silent and gone, ``pool_workers`` those of its pool that are not gone. ``gpu_hours`` is
    the budget as the study file has it, whatever it is.
    """

    name: str
    state: str
    budget_trials: int | None = None
    taken_over: int = 0
    gpu_hours: str | None = None
    begun_s: float | None = None
    trials: Mapping[str, int] = field(default_factory=dict)
    reevaluations: Mapping[str, int] = field(default_factory=dict)
    ended: Sequence[Ended] = ()
    workers: tuple[int, int, int] = (0, 0, 0)
    claims: Claims | None = None
    pool_workers: int = 0

    @property
    def finished(self) -> int:
        """The trials that count towards the budget."""
        counted = sum(
            self.trials.get(state, 0) - self.reevaluations.get(state, 0) for state in ("COMPLETE", "PRUNED")
        )
        return counted - self.taken_over


@dataclass(frozen=True)
class Gauges:
    """Everything that was read. ``connections``: used and at most; ``refused``: the parts that are left out."""

    round_trip_s: float
    read_s: float
    studies: Sequence[StudyGauges] = ()
    connections: tuple[int, int] | None = None
    refused: Sequence[str] = ()


def read_gauges(connection: Connection, pulse: Pulse) -> Gauges:
    """Read all parts.

    Raises:
        DatabaseUnreachableError: the database does not answer.
    """
    began = time.monotonic()
    connection.run("SELECT 1")  # opens the connection, which is no part of a round trip
    asked = time.monotonic()
    connection.run("SELECT 1")
    round_trip_s = time.monotonic() - asked
    reader = _Reader(connection)
    server = reader.read("gauge_server")
    studies = _read_studies(reader, pulse) if has_table(connection, "hpotool.study_settings") else []
    connections = (server[0][0], server[0][1]) if server else None
    return Gauges(round_trip_s, time.monotonic() - began, studies, connections, tuple(reader.refused))


class _Reader:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.refused: list[str] = []

    def read(self, name: str, **parameters: Any) -> Rows:
        """The rows of a part; none if it is refused."""
        try:
            return self._connection.run(query(name), parameters)
        except RefusedStatementError:
            self.refused.append(name.removeprefix("gauge_"))
            return []


def _read_studies(reader: _Reader, pulse: Pulse) -> list[StudyGauges]:
    silent_after_s, gone_after_s = 2 * pulse.interval.total_seconds(), 2 * pulse.grace.total_seconds()
    trials: dict[int, dict[str, int]] = defaultdict(dict)
    reevaluations: dict[int, dict[str, int]] = defaultdict(dict)
    ended: dict[int, list[Ended]] = defaultdict(list)
    for study_id, state, count, beside in reader.read("gauge_trials"):
        trials[study_id][state], reevaluations[study_id][state] = count, beside
    for study_id, *attempts in reader.read("gauge_attempts"):
        ended[study_id].append(Ended(*attempts))
    present = reader.read("gauge_workers", silent_after_s=silent_after_s, gone_after_s=gone_after_s)
    workers = {study_id: (alive, silent, gone) for study_id, alive, silent, gone in present}
    in_pool: dict[int, int] = dict(reader.read("gauge_pools", gone_after_s=gone_after_s))
    waited = reader.read("gauge_claims", quantiles=list(QUANTILES), window_s=CLAIM_WINDOW_S)
    claims = {study_id: Claims(*rest) for study_id, *rest in waited}
    return [
        replace(
            _study(known),
            trials=trials[study_id],
            reevaluations=reevaluations[study_id],
            ended=ended[study_id],
            workers=workers.get(study_id, (0, 0, 0)),
            claims=claims.get(study_id),
            pool_workers=in_pool.get(study_id, 0),
        )
        for study_id, *known in reader.read("gauge_studies")
    ]


def _study(known: list[Any]) -> StudyGauges:
    return StudyGauges(*known)
