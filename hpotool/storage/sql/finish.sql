-- An attempt ended with a result, or with a failure that nothing follows: state, values, attempt and event, or nothing.
-- No lock on the study: a place that was held stays held or is given back, and both are true at once for a claim.
WITH ended AS (
    UPDATE trials SET state = %(state)s, datetime_complete = %(now)s
    WHERE trial_id = %(trial_id)s AND state = 'RUNNING'
        AND EXISTS (SELECT FROM hpotool.attempts WHERE attempt_id = %(attempt_id)s AND ended_at IS NULL)
    RETURNING study_id, trial_id, number
-- include: values
-- include: end_attempt
)
SELECT CASE
    WHEN EXISTS (SELECT FROM ended) THEN 'applied'
    WHEN EXISTS (SELECT FROM hpotool.attempts WHERE attempt_id = %(attempt_id)s AND ended_by = %(actor)s)
        THEN 'applied before'
    ELSE 'fenced'
END, NULL::integer
