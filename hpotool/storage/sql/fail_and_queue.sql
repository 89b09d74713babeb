-- An attempt failed, and its trial is to be tried again: FAIL, the attempt's end, the new WAITING trial with the same
-- parameters, and the events, in one transaction. The owner of the attempt sends it, or a reaper in its place.
-- The answer is as in finish.sql.
-- A reaper names the beat that it has watched (seen_beat): one beat more, and nothing is done.
-- include: lock_study
WITH beat AS (
    SELECT heartbeat FROM trial_heartbeats WHERE trial_id = %(trial_id)s FOR UPDATE
), ended AS (
    UPDATE trials SET state = 'FAIL', datetime_complete = clock_timestamp() AT TIME ZONE 'utc'
    WHERE trial_id = %(trial_id)s AND state = 'RUNNING'
        AND (%(seen_beat)s::timestamp IS NULL OR EXISTS (SELECT FROM beat WHERE heartbeat = %(seen_beat)s::timestamp))
        AND (%(attempt_id)s::uuid IS NULL OR EXISTS (
            SELECT FROM hpotool.attempts WHERE attempt_id = %(attempt_id)s::uuid AND ended_at IS NULL))
    RETURNING study_id, trial_id, number, datetime_complete
-- include: end_attempt
-- include: queue_again
)
SELECT COALESCE(
    (SELECT datetime_complete FROM ended),
    (SELECT datetime_complete FROM trials t JOIN hpotool.attempts a ON a.trial_id = t.trial_id
     WHERE a.attempt_id = %(attempt_id)s::uuid AND a.ended_by = %(actor)s)
)
