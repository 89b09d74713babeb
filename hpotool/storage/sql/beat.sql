-- A worker and its attempt are alive. One answer: is the trial still this attempt's, and what do people want of it?
-- The heartbeat of a trial that was taken away is left alone. Without an attempt only the worker beats.
WITH worker AS (
    UPDATE hpotool.workers SET last_beat = clock_timestamp() WHERE worker_id = %(worker_id)s
    RETURNING study_id
), attempt AS (
    UPDATE hpotool.attempts SET last_beat = clock_timestamp()
    WHERE attempt_id = %(attempt_id)s AND ended_at IS NULL
    RETURNING trial_id, cancel_reason
), heartbeat AS (
    UPDATE trial_heartbeats h SET heartbeat = clock_timestamp()
    FROM attempt JOIN trials t USING (trial_id)
    WHERE h.trial_id = attempt.trial_id AND t.state = 'RUNNING'
    RETURNING h.trial_id
)
SELECT
    EXISTS (SELECT FROM heartbeat), (SELECT cancel_reason FROM attempt),
    settings.state, settings.state_reason
FROM worker JOIN hpotool.study_settings settings USING (study_id)
