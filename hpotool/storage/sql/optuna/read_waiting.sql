-- The trials that wait in a study, oldest first.
select
-- include: optuna/trial_columns
from (select * from trials where study_id = %(study_id)s and state = 'WAITING') t
-- include: optuna/trial_children
order by t.trial_id
