-- What a beat answers, without beating.
WITH attempt AS (
    SELECT trial_id, cancel_reason FROM hpotool.attempts WHERE attempt_id = %(attempt_id)s AND ended_at IS NULL
)
SELECT
    EXISTS (SELECT FROM attempt JOIN trials t USING (trial_id) WHERE t.state = 'RUNNING'),
    (SELECT cancel_reason FROM attempt),
    settings.state, settings.state_reason
FROM hpotool.workers worker JOIN hpotool.study_settings settings USING (study_id)
WHERE worker.worker_id = %(worker_id)s
