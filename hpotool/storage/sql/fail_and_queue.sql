-- An attempt failed, and its trial is to be tried again: FAIL, the attempt's end, the new WAITING trial with the same
-- parameters, and the events, in one transaction. The owner of the attempt sends it, or a reaper in its place.
-- A reaper names the beat that it has watched (seen_beat): one beat more, and nothing is done.
-- include: lock_study
WITH beat AS (
    SELECT heartbeat FROM trial_heartbeats WHERE trial_id = %(trial_id)s FOR UPDATE
), ended AS (
    UPDATE trials SET state = 'FAIL', datetime_complete = %(now)s
    WHERE trial_id = %(trial_id)s AND state = 'RUNNING'
        AND (%(seen_beat)s::timestamp IS NULL OR EXISTS (SELECT FROM beat WHERE heartbeat = %(seen_beat)s::timestamp))
        AND (%(attempt_id)s::uuid IS NULL OR EXISTS (
            SELECT FROM hpotool.attempts WHERE attempt_id = %(attempt_id)s::uuid AND ended_at IS NULL))
    RETURNING study_id, trial_id, number
-- include: end_attempt
-- include: queue_again
)
SELECT CASE
    WHEN EXISTS (SELECT FROM ended) THEN 'applied'
    WHEN EXISTS (SELECT FROM hpotool.attempts WHERE attempt_id = %(attempt_id)s::uuid AND ended_by = %(actor)s)
        THEN 'applied before'
    ELSE 'fenced'
END, (SELECT number FROM queued_again)
