-- Queue a failed trial again because somebody wants it. The answer is the state it was found in, the number of the
-- trial that tries it again already, and the new number.
-- include: lock_study
WITH trial AS (
    SELECT study_id, trial_id, number, state FROM trials WHERE study_id = %(study_id)s AND number = %(number)s
), existing AS (
    SELECT t.number FROM trial JOIN hpotool.retries r ON r.previous_trial_id = trial.trial_id
    JOIN trials t ON t.trial_id = r.trial_id
), ended AS (
    SELECT study_id, trial_id, number FROM trial WHERE state = 'FAIL' AND NOT EXISTS (SELECT FROM existing)
-- include: queue_again
)
SELECT state::text, (SELECT number FROM existing), (SELECT number FROM queued_again) FROM trial
