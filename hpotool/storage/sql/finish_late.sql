-- A trial was taken away from a live attempt, which then returned its result all the same. While nobody has claimed
-- the retry, that result completes the retry: the trial with the same parameters that waits for exactly this.
-- include: lock_study
WITH settings AS (
    SELECT * FROM hpotool.study_settings WHERE study_id = %(study_id)s
-- include: places
), waiting_retry AS (
    SELECT t.study_id, t.trial_id, t.number, r.root_number
    FROM hpotool.retries r JOIN trials t ON t.trial_id = r.trial_id
    WHERE r.previous_trial_id = %(trial_id)s AND t.state = 'WAITING'
        AND (SELECT budget_trials IS NULL OR finished + running < budget_trials FROM settings, places)
    FOR UPDATE OF t
), ended AS (
    UPDATE trials t
    SET state = %(state)s, datetime_start = %(started)s, datetime_complete = clock_timestamp() AT TIME ZONE 'utc'
    FROM waiting_retry w WHERE t.trial_id = w.trial_id
    RETURNING w.study_id, w.trial_id, w.number, w.root_number
-- include: values
-- include: own_content
), claimed AS (
    UPDATE hpotool.retries SET claimed_at = clock_timestamp() WHERE trial_id IN (SELECT trial_id FROM ended)
), attempt AS (
    INSERT INTO hpotool.attempts (attempt_id, study_id, trial_id, number, root_number, worker_id, host, pid, slot,
        started_at, ended_at, ended_by, outcome, reason, output_tail, gpu)
    SELECT %(late_attempt_id)s, e.study_id, e.trial_id, e.number, e.root_number, a.worker_id, a.host, a.pid, a.slot,
        a.started_at, clock_timestamp(), %(actor)s, %(outcome)s,
        'finished by the attempt that was taken for lost', %(output_tail)s, %(gpu)s::jsonb
    FROM ended e, hpotool.attempts a WHERE a.attempt_id = %(attempt_id)s
), event AS (
    INSERT INTO hpotool.events (study_id, kind, trial_id, number, actor, from_state, to_state, reason)
    SELECT study_id, 'finish', trial_id, number, %(actor)s, 'WAITING', %(state)s,
        'the attempt that was taken for lost returned its result'
    FROM ended
)
SELECT EXISTS (SELECT FROM ended)
    OR EXISTS (SELECT FROM hpotool.attempts WHERE attempt_id = %(late_attempt_id)s)
