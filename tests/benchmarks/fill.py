"""A study with any number of finished trials, written directly: Optuna itself would need hours for 100,000.

The trials are those of the reference objective: ten float parameters, twenty reports, one value.
"""

from __future__ import annotations

from hpotool.storage.database.connection import Connection

N_PARAMS = 10
N_REPORTS = 20

# Trials first, then what belongs to them. Values are what the reference objective would have returned for the
# parameters, so that samplers and pruners find a history that makes sense. Foreign keys are not checked row by
# row, which would take most of the time (and needs a superuser).
_FILL = """
set local session_replication_role = replica;

insert into trials (number, study_id, state, datetime_start, datetime_complete)
select n, %(study_id)s, 'COMPLETE', now() at time zone 'utc', now() at time zone 'utc'
from generate_series(0, %(trials)s - 1) n order by n;

insert into trial_params (trial_id, param_name, param_value, distribution_json)
select trial_id, 'x' || p, random() * 10 - 5,
    '{"name": "FloatDistribution", "attributes": {"step": null, "low": -5.0, "high": 5.0, "log": false}}'
from trials, generate_series(0, %(params)s - 1) p where study_id = %(study_id)s order by trial_id, p;

insert into trial_values (trial_id, objective, value, value_type)
select trial_id, 0, sum(param_value * param_value), 'FINITE'
from trials join trial_params using (trial_id) where study_id = %(study_id)s group by trial_id;

insert into trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)
select trial_id, step, value * (1 + 1.0 / (step + 1)), 'FINITE'
from trials join trial_values using (trial_id), generate_series(0, %(reports)s - 1) step
where study_id = %(study_id)s order by trial_id, step;
"""


def fill_study(connection: Connection, study_id: int, trials: int) -> None:
    """Give an empty study this many complete trials."""
    asked = {"study_id": study_id, "trials": trials, "params": N_PARAMS, "reports": N_REPORTS}
    connection.run(_FILL, asked)
    connection.run("analyze trials, trial_params, trial_values, trial_intermediate_values")
