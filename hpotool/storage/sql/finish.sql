-- An attempt ended with a result, or with a failure that nothing follows: state, values, attempt and event, or nothing.
-- The answer is when the trial ended, also when it is sent twice; NULL: it was not this attempt's any more.
-- No lock on the study: a place that was held stays held or is given back, and both are true at once for a claim.
WITH ended AS (
    UPDATE trials SET state = %(state)s, datetime_complete = clock_timestamp() AT TIME ZONE 'utc'
    WHERE trial_id = %(trial_id)s AND state = 'RUNNING'
        AND EXISTS (SELECT FROM hpotool.attempts WHERE attempt_id = %(attempt_id)s AND ended_at IS NULL)
    RETURNING study_id, trial_id, number, datetime_complete
-- include: values
-- include: end_attempt
)
SELECT COALESCE(
    (SELECT datetime_complete FROM ended),
    (SELECT datetime_complete FROM trials t JOIN hpotool.attempts a ON a.trial_id = t.trial_id
     WHERE a.attempt_id = %(attempt_id)s AND a.ended_by = %(actor)s)
)
