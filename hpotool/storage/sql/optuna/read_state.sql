-- The state of one trial.
select state::text from trials where trial_id = %(trial_id)s
