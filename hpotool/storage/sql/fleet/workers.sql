-- Workers: their heartbeats, orders, and ends.

-- name: lock_launch
-- The lock of a worker that registers. `stop_launch` takes a stronger one, so that whichever of the two comes second sees
-- what the first has done. Both are separate statements, because a snapshot is taken before a wait.
SELECT FROM hpotool.launches WHERE launch_id = %(launch_id)s FOR SHARE;

-- name: register_worker
-- Register a worker, with an event; repeating it has no effect. If the worker's launch was stopped in the meantime, the
-- worker is ordered to stop from the start.
-- include: lock_launch
WITH adopted AS (
    INSERT INTO hpotool.study_settings (study_id) VALUES (%(study_id)s) ON CONFLICT (study_id) DO NOTHING
), worker AS (
    INSERT INTO hpotool.workers (worker_id, study_id, host, pid, process_space, process_start, slot, version,
        devices, launch_id, job, told_to)
    VALUES (%(worker_id)s, %(study_id)s, %(host)s, %(pid)s, %(process_space)s, %(process_start)s, %(slot)s, %(version)s,
        %(devices)s, %(launch_id)s, %(job)s,
        (SELECT 'stop' FROM hpotool.launches l WHERE l.launch_id = %(launch_id)s AND l.stopped_at IS NOT NULL))
    ON CONFLICT (worker_id) DO NOTHING
    RETURNING study_id, worker_id
)
INSERT INTO hpotool.events (study_id, kind, actor, to_state, reason)
SELECT study_id, 'worker', worker_id, 'started', 'slot ' || %(slot)s FROM worker

-- name: end_worker
-- Record the end of a worker and its reason; the first reason is kept.
WITH worker AS (
    UPDATE hpotool.workers SET ended_at = clock_timestamp(), end_reason = %(reason)s
    WHERE worker_id = %(worker_id)s AND ended_at IS NULL
    RETURNING study_id, worker_id
)
INSERT INTO hpotool.events (study_id, kind, actor, from_state, to_state, reason)
SELECT study_id, 'worker', worker_id, 'started', 'ended', %(reason)s FROM worker WHERE study_id IS NOT NULL

-- name: beat
-- A heartbeat of a worker and its attempt. Returns whether the trial still belongs to the attempt, and the orders. A worker
-- of a pool may have no study yet.
-- The heartbeat of a trial that was taken away is not changed. Without an attempt, only the worker's is written.
WITH worker AS (
    UPDATE hpotool.workers SET last_beat = clock_timestamp(), waits = %(waits)s WHERE worker_id = %(worker_id)s
    RETURNING study_id, told_to
), attempt AS (
    UPDATE hpotool.attempts
    SET last_beat = clock_timestamp(), has_checkpoint = has_checkpoint OR %(has_checkpoint)s
    WHERE attempt_id = %(attempt_id)s AND ended_at IS NULL
    RETURNING trial_id, cancel_reason, yields_to
), heartbeat AS (
    UPDATE trial_heartbeats h SET heartbeat = clock_timestamp()
    FROM attempt JOIN trials t USING (trial_id)
    WHERE h.trial_id = attempt.trial_id AND t.state = 'RUNNING'
    RETURNING h.trial_id
)
SELECT
    EXISTS (SELECT FROM heartbeat), (SELECT cancel_reason FROM attempt),
    COALESCE(settings.state, 'running'), COALESCE(settings.state_reason, ''), worker.told_to,
    (SELECT yields_to FROM attempt)
FROM worker LEFT JOIN hpotool.study_settings settings USING (study_id)

-- name: read_orders
-- The answer of a heartbeat, without writing one.
WITH attempt AS (
    SELECT trial_id, cancel_reason, yields_to FROM hpotool.attempts
    WHERE attempt_id = %(attempt_id)s AND ended_at IS NULL
)
SELECT
    EXISTS (SELECT FROM attempt JOIN trials t USING (trial_id) WHERE t.state = 'RUNNING'),
    (SELECT cancel_reason FROM attempt),
    COALESCE(settings.state, 'running'), COALESCE(settings.state_reason, ''), worker.told_to,
    (SELECT yields_to FROM attempt)
FROM hpotool.workers worker LEFT JOIN hpotool.study_settings settings USING (study_id)
WHERE worker.worker_id = %(worker_id)s

-- name: find_running
-- The RUNNING trials of a study that have a heartbeat, except the calling worker's own: their last heartbeat, their
-- worker, and the outcomes of the earlier attempts of their lineage. No clock is read here: heartbeats are compared for
-- equality, not for age. (They have the sender's time zone, and the clock of the server may jump.)
-- include: running_trials
WHERE t.study_id = %(study_id)s AND t.state = 'RUNNING'
    AND (a.attempt_id IS NULL OR a.attempt_id IS DISTINCT FROM %(attempt_id)s::uuid)
ORDER BY t.trial_id

-- name: running_trials
-- What a reaper has to know of a RUNNING trial. Before a WHERE.
SELECT
    t.trial_id, t.number, h.heartbeat, a.attempt_id::text,
    ARRAY(
        SELECT earlier.outcome FROM hpotool.attempts earlier
        WHERE earlier.study_id = t.study_id AND earlier.root_number = a.root_number AND earlier.outcome IS NOT NULL
            AND NOT earlier.is_burnt
        ORDER BY earlier.number
    ),
    t.study_id, w.worker_id, w.host, w.pid, w.process_space, w.process_start, w.slot
FROM trials t
JOIN trial_heartbeats h ON h.trial_id = t.trial_id
LEFT JOIN hpotool.attempts a ON a.trial_id = t.trial_id AND a.ended_at IS NULL
LEFT JOIN hpotool.workers w ON w.worker_id = a.worker_id

-- name: find_running_in_pool
-- The same for all studies of a pool.
-- include: running_trials
JOIN hpotool.pool_places p ON p.study_id = t.study_id
WHERE p.pool = %(pool)s AND t.state = 'RUNNING'
    AND (a.attempt_id IS NULL OR a.attempt_id IS DISTINCT FROM %(attempt_id)s::uuid)
ORDER BY t.trial_id

-- name: list_workers
-- The workers of a study that have not ended, each with the trial that it has claimed.
SELECT w.worker_id, w.host, w.pid, w.process_space, w.process_start, w.slot, GREATEST(0, extract(epoch FROM clock_timestamp() - w.last_beat))::float8,
    (SELECT t.number FROM trials t JOIN hpotool.attempts a ON a.trial_id = t.trial_id
     WHERE t.study_id = w.study_id AND t.state = 'RUNNING' AND a.worker_id = w.worker_id AND a.ended_at IS NULL LIMIT 1)
FROM hpotool.workers w
WHERE w.study_id = %(study_id)s AND w.ended_at IS NULL
ORDER BY w.registered_at, w.worker_id

-- name: read_ended_attempts
-- A worker's latest attempts, its last success, attempts of the same lineages on other workers, and the latest attempts
-- of others; oldest first. The point is equal for equal parameters. Out of memory counts as a success if the study
-- treats it as a result. What a quarantine explains speaks neither for nor against a worker.
WITH own AS (
    SELECT attempt_id, root_number FROM hpotool.attempts
    WHERE worker_id = %(worker_id)s AND study_id = %(study_id)s AND ended_at IS NOT NULL AND NOT is_burnt
    ORDER BY started_at DESC LIMIT %(last)s
), relevant AS (
    SELECT attempt_id FROM own
    UNION
    (SELECT attempt_id FROM hpotool.attempts
     WHERE worker_id = %(worker_id)s AND study_id = %(study_id)s AND outcome IN ('complete', 'pruned') ORDER BY started_at DESC LIMIT 1)
    UNION
    SELECT a.attempt_id FROM hpotool.attempts a
    WHERE a.study_id = %(study_id)s AND a.worker_id <> %(worker_id)s AND a.outcome IS NOT NULL
        AND a.root_number IN (SELECT root_number FROM own)
    UNION
    (SELECT a.attempt_id FROM hpotool.attempts a
     WHERE a.study_id = %(study_id)s AND a.worker_id <> %(worker_id)s AND a.outcome IS NOT NULL
     ORDER BY a.started_at DESC LIMIT %(last)s)
)
SELECT CASE WHEN outcome = 'oom' AND t.state = 'PRUNED' THEN 'pruned' ELSE outcome END AS outcome, worker_id, COALESCE(
    (SELECT md5(string_agg(p.param_name || '=' || p.param_value::text, ',' ORDER BY p.param_name))
     FROM trial_params p WHERE p.trial_id = a.trial_id), 'trial ' || a.number) AS point
FROM relevant JOIN hpotool.attempts a USING (attempt_id) LEFT JOIN trials t ON t.trial_id = a.trial_id
WHERE NOT a.is_burnt
ORDER BY a.started_at
