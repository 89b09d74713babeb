-- One trial.
select
-- include: optuna/trial_columns
 from trials t
-- include: optuna/trial_children
 where t.trial_id = %(trial_id)s
