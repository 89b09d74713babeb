"""The studies of a database at a glance, in one round trip."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from hpotool.storage.connection import Connection

_LIST_STUDIES = """
select s.study_name,
       (select array_agg(d.direction::text order by d.objective)
          from study_directions d where d.study_id = s.study_id),
       (select value_json from study_system_attributes a
         where a.study_id = s.study_id and a.key = 'study:metric_names'),
       (select json_object_agg(state, n) from
         (select state::text, count(*) as n from trials t where t.study_id = s.study_id group by state) counts)
  from studies s
 order by s.study_id
"""


@dataclass(frozen=True)
class StudySummary:
    """One line of ``hpotool studies``: the metrics with their directions, and trials per state."""

    name: str
    metrics: Mapping[str, str]
    trials: Mapping[str, int]


def list_studies(connection: Connection) -> list[StudySummary]:
    """Every study, in the order of creation; none where Optuna's tables do not exist yet."""
    if not connection.run("select to_regclass('studies') is not null")[0][0]:
        return []
    return [
        StudySummary(name, _metrics(directions, metric_names), counts or {})
        for name, directions, metric_names, counts in connection.run(_LIST_STUDIES)
    ]


def _metrics(directions: list[str], metric_names: str | None) -> dict[str, str]:
    names = json.loads(metric_names) if metric_names else default_metric_names(len(directions))
    return dict(zip(names, (direction.lower() for direction in directions), strict=True))


def default_metric_names(count: int) -> list[str]:
    """What the metrics of a study are called that plain Optuna made and gave no names."""
    return ["value"] if count == 1 else [f"value_{i}" for i in range(count)]
