-- The next trial of a study, RUNNING, under the row lock that Optuna's own workers take.
-- The lock is a statement of its own: the number is counted by a snapshot taken after waiting for it.
select 1 from studies where study_id = %(study_id)s for update;
insert into trials (number, study_id, state, datetime_start)
select
    coalesce((select max(number) + 1 from trials where study_id = %(study_id)s), 0),
    study_id, 'RUNNING', clock_timestamp() at time zone 'utc'
from studies where study_id = %(study_id)s
returning trial_id, number, datetime_start
