-- Take a WAITING trial: its row as it was before, and when it started if it was still WAITING.
select 1 from trials where trial_id = %(trial_id)s for update;
with started as (
    update trials set state = 'RUNNING', datetime_start = clock_timestamp() at time zone 'utc'
    where trial_id = %(trial_id)s and state = 'WAITING'
    returning datetime_start
)
select
-- include: optuna/trial_columns
, (select datetime_start from started)
from trials t
-- include: optuna/trial_children
 where t.trial_id = %(trial_id)s
