-- End one trial for good: a waiting one fails at once, a running one is told through its attempt's next beat.
-- The answer is the state that it was found in, and whether it has an attempt to tell.
WITH trial AS (
    SELECT study_id, trial_id, number, state FROM trials
    WHERE study_id = %(study_id)s AND number = %(number)s FOR UPDATE
), told AS (
    UPDATE hpotool.attempts a SET cancel_reason = %(reason)s
    FROM trial WHERE a.trial_id = trial.trial_id AND trial.state = 'RUNNING' AND a.ended_at IS NULL
    RETURNING a.trial_id
), failed AS (
    UPDATE trials t SET state = 'FAIL', datetime_complete = clock_timestamp() AT TIME ZONE 'utc'
    FROM trial WHERE t.trial_id = trial.trial_id AND trial.state = 'WAITING'
    RETURNING t.trial_id
), event AS (
    INSERT INTO hpotool.events (study_id, kind, trial_id, number, actor, from_state, to_state, reason)
    SELECT study_id, 'cancel', trial_id, number, %(actor)s, state::text,
        CASE state WHEN 'WAITING' THEN 'FAIL' ELSE state::text END, %(reason)s
    FROM trial WHERE EXISTS (SELECT FROM told) OR EXISTS (SELECT FROM failed)
)
SELECT state::text, EXISTS (SELECT FROM told) FROM trial
