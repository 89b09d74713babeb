-- Launches and their workers.

-- name: record_launch
-- Record a launch, with an event; repeating it has no effect.
WITH launch AS (
    INSERT INTO hpotool.launches (launch_id, study_id, target, wanted, request, launched_by)
    VALUES (%(launch_id)s, %(study_id)s, %(target)s, %(wanted)s, %(request)s, %(actor)s)
    ON CONFLICT (launch_id) DO NOTHING
    RETURNING study_id
)
INSERT INTO hpotool.events (study_id, kind, actor, to_state, reason)
SELECT study_id, 'launch', %(actor)s, 'launched', %(reason)s FROM launch

-- name: change_launch
-- Change the wanted number of workers, or add scheduler jobs, with an event if one is given.
WITH launch AS (
    UPDATE hpotool.launches SET wanted = %(wanted)s, jobs = jobs || %(jobs)s::text[]
    WHERE launch_id = %(launch_id)s
    RETURNING study_id
)
INSERT INTO hpotool.events (study_id, kind, actor, to_state, reason)
SELECT study_id, 'launch', %(actor)s, 'launched', %(reason)s FROM launch

-- name: stop_launch
-- Stop all workers of a launch: running ones learn of it at their next heartbeat, later ones at their first. For the lock,
-- see `lock_launch`.
SELECT FROM hpotool.launches WHERE launch_id = %(launch_id)s FOR UPDATE;
WITH launch AS (
    UPDATE hpotool.launches SET wanted = 0, stopped_at = COALESCE(stopped_at, clock_timestamp())
    WHERE launch_id = %(launch_id)s
    RETURNING study_id
), told AS (
    UPDATE hpotool.workers SET told_to = 'stop' WHERE launch_id = %(launch_id)s AND ended_at IS NULL
)
INSERT INTO hpotool.events (study_id, kind, actor, from_state, to_state, reason)
SELECT study_id, 'launch', %(actor)s, 'launched', 'stopped', %(reason)s FROM launch

-- name: tell_workers
-- Ask workers to hand their trials back and leave; returns those that had not ended.
UPDATE hpotool.workers SET told_to = %(told_to)s
WHERE worker_id = ANY(%(worker_ids)s) AND ended_at IS NULL AND (study_id = %(study_id)s
    OR launch_id IN (SELECT l.launch_id FROM hpotool.launches l WHERE l.study_id = %(study_id)s))
RETURNING worker_id

-- name: hand_on_launches
-- What was launched for a pool, and is recorded with a study that is to be deleted, is recorded with another one of the pool
-- from then on, where there is one: else nobody could list, scale or stop it.
UPDATE hpotool.launches l SET study_id = heir.study_id
FROM (SELECT pool, min(study_id) AS study_id FROM hpotool.pool_places
      WHERE study_id <> %(study_id)s GROUP BY pool) heir
WHERE l.study_id = %(study_id)s AND l.stopped_at IS NULL AND heir.pool = l.request ->> 'pool'

-- name: list_launches
-- The launches of a study, oldest first.
SELECT launch_id, target, wanted, request, jobs, launched_by,
    GREATEST(0, extract(epoch FROM clock_timestamp() - launched_at))::float8, stopped_at IS NOT NULL
FROM hpotool.launches WHERE study_id = %(study_id)s ORDER BY launched_at, launch_id

-- name: list_fleet
-- The workers of a study that have not ended, and those of its launches that ended within the last hour. A launched
-- worker of a pool belongs to its launch, whichever study it is serving.
SELECT w.worker_id, w.host, w.pid, w.slot, w.version, w.launch_id, w.job,
    GREATEST(0, extract(epoch FROM clock_timestamp() - w.last_beat))::float8, w.told_to,
    w.ended_at IS NOT NULL, w.end_reason,
    (SELECT t.number FROM trials t JOIN hpotool.attempts a ON a.trial_id = t.trial_id
     WHERE t.study_id = w.study_id AND t.state = 'RUNNING' AND a.worker_id = w.worker_id AND a.ended_at IS NULL LIMIT 1),
    COALESCE(w.waits, hpotool.quarantine_of(w.study_id, w.worker_id)),
    w.differs
FROM hpotool.workers w
WHERE (w.study_id = %(study_id)s
        OR w.launch_id IN (SELECT l.launch_id FROM hpotool.launches l WHERE l.study_id = %(study_id)s))
    AND (w.ended_at IS NULL OR (w.launch_id IS NOT NULL AND w.ended_at > clock_timestamp() - interval '1 hour'))
ORDER BY w.registered_at, w.worker_id
