-- What changed in a study since the last read: trials that are new, that were committed late, of other
-- processes that were RUNNING, and trials of this process (RUNNING) and of the queue (WAITING) whose state is another one now.
select
-- include: optuna/trial_columns
from (
    (select * from trials where trial_id > %(after)s and study_id = %(study_id)s order by trial_id limit %(limit)s)
    union all
    select * from trials
    where study_id = %(study_id)s and number = any(%(missing)s::int[]) and trial_id <= %(known)s
    union all
    select * from trials where trial_id = any(%(running)s::int[]) and trial_id <= %(known)s
    union all
    select * from trials where trial_id = any(%(own)s::int[]) and trial_id <= %(known)s and state <> 'RUNNING'
    union all
    select * from trials where trial_id = any(%(waiting)s::int[]) and trial_id <= %(known)s and state <> 'WAITING'
) t
-- include: optuna/trial_children
order by t.trial_id
