-- Pools: which study a worker serves next, and which attempts make room for others.

-- name: choose_study
-- Settle a worker's previous turn and choose its next study; documented in the schema step that creates the function.
-- Before that, a study that would be left alone for longer than is possible, because the server's clock was set back, is
-- looked at again.
SELECT pg_advisory_xact_lock(hashtext('hpotool.pool'), hashtext(%(pool)s));
UPDATE hpotool.pool_places SET look_again_at = clock_timestamp()
WHERE pool = %(pool)s AND NOT is_open AND closed_because IN ('wait', 'capped', 'quota')
    AND look_again_at > clock_timestamp() + interval '15 seconds' AND look_again_at < '9999-01-01';
SELECT study_id, charged_s, version, may_come FROM hpotool.choose_study(%(pool)s, %(unfit)s::integer[], %(served)s::integer,
    %(took_s)s::double precision, %(charged_s)s::double precision, %(refused_because)s::text,
    %(seen_version)s::integer)

-- name: register_pool_worker
-- Register a worker of a pool; repeating it has no effect. Its study is set at its first turn.
-- include: lock_launch
INSERT INTO hpotool.workers (worker_id, pool, host, pid, process_space, process_start, slot, version, devices, launch_id,
    job, told_to)
VALUES (%(worker_id)s, %(pool)s, %(host)s, %(pid)s, %(process_space)s, %(process_start)s, %(slot)s, %(version)s,
    %(devices)s, %(launch_id)s, %(job)s,
    (SELECT 'stop' FROM hpotool.launches l WHERE l.launch_id = %(launch_id)s AND l.stopped_at IS NOT NULL))
ON CONFLICT (worker_id) DO NOTHING

-- name: leave_study
-- A worker of a pool gives up on one study, and goes on with the others. No event where the study was deleted meanwhile.
INSERT INTO hpotool.events (study_id, kind, actor, from_state, to_state, reason)
SELECT study_id, 'worker', %(worker_id)s, 'started', 'ended', %(reason)s
FROM hpotool.study_settings WHERE study_id = %(study_id)s

-- name: is_pool_over
-- Whether no study of the pool has work left or may get some by itself.
SELECT NOT EXISTS (
    SELECT FROM hpotool.pool_places WHERE pool = %(pool)s AND (is_open OR look_again_at < 'infinity'))

-- name: read_pool_study
-- What a worker needs to serve a study: its name, settings, and the versions it was created with.
SELECT s.study_name, settings.spec, settings.versions
FROM hpotool.study_settings settings JOIN studies s USING (study_id)
WHERE settings.study_id = %(study_id)s

-- name: places_of_workers
-- The live workers of a pool, each with its latest attempt.
), held AS (
    SELECT w.worker_id, w.waits, a.attempt_id, a.study_id, a.trial_id, a.number, a.started_at, a.has_checkpoint, a.cancel_reason,
        a.yields_to
    FROM hpotool.workers w
    LEFT JOIN LATERAL (
        SELECT * FROM hpotool.attempts x WHERE x.worker_id = w.worker_id ORDER BY x.started_at DESC LIMIT 1
    ) a ON a.ended_at IS NULL
    WHERE w.pool = %(pool)s AND w.ended_at IS NULL
        AND w.last_beat > clock_timestamp() - make_interval(secs => %(gone_after_s)s)

-- name: find_wanting_studies
-- The studies of a pool that may preempt others, highest priority first: they have work, no worker of the pool is free,
-- and some trial of a lower priority has a checkpoint to continue from. Nearly always there is none, which the first
-- condition decides.
-- A worker is not free if its GPU keeps it from trials, or if it is in quarantine for the study: neither could take one.
WITH wanting AS (
    SELECT p.study_id, p.priority FROM hpotool.pool_places p
    WHERE p.pool = %(pool)s AND p.preempts AND (p.is_open OR p.look_again_at <= clock_timestamp())
    ORDER BY p.priority DESC, p.pass
-- include: places_of_workers
)
SELECT wanting.study_id FROM wanting
WHERE NOT EXISTS (
        SELECT FROM held
        WHERE attempt_id IS NULL AND waits IS NULL AND hpotool.quarantine_of(wanting.study_id, worker_id) IS NULL)
    AND EXISTS (
    SELECT FROM held JOIN hpotool.pool_places v ON v.study_id = held.study_id
    WHERE v.priority < wanting.priority AND held.has_checkpoint AND held.yields_to IS NULL
        AND hpotool.quarantine_of(wanting.study_id, held.worker_id) IS NULL)
ORDER BY wanting.priority DESC

-- name: ask_for_places
-- Ask trials of lower priority to hand their workers over: as many as the study can use and has not yet asked for,
-- lowest priority first, then youngest first. Returns their numbers and studies. One worker of the pool at a time.
SELECT pg_advisory_xact_lock(hashtext('hpotool.preempt'), hashtext(%(pool)s));
-- include: lock_study
WITH settings AS (
    SELECT * FROM hpotool.study_settings WHERE study_id = %(study_id)s
-- include: places
-- include: reserved_places
-- include: places_of_workers
), own AS (
    SELECT p.priority, s.study_name FROM hpotool.pool_places p JOIN studies s USING (study_id)
    WHERE p.study_id = %(study_id)s AND p.pool = %(pool)s
), wanted AS (
    SELECT CASE WHEN state <> 'running' OR (owner IS NOT NULL AND hpotool.over_quota(owner) IS NOT NULL) THEN 0
        ELSE GREATEST(0, LEAST(max_running - running_in_all, budget_trials - finished - running - reserved_places, 100000)
            - (SELECT count(*) FROM held, own WHERE held.yields_to = own.study_name))
    END AS number
    FROM settings, places, reserved
), asked AS (
    UPDATE hpotool.attempts a SET yields_to = own.study_name
    FROM own
    WHERE a.ended_at IS NULL AND a.attempt_id IN (
        SELECT held.attempt_id
        FROM held JOIN hpotool.pool_places v ON v.study_id = held.study_id, own
        WHERE v.priority < own.priority AND held.has_checkpoint AND held.yields_to IS NULL AND held.cancel_reason IS NULL
            AND hpotool.quarantine_of(%(study_id)s, held.worker_id) IS NULL
        ORDER BY v.priority, held.started_at DESC
        LIMIT (SELECT number FROM wanted))
    RETURNING a.study_id, a.trial_id, a.number, a.yields_to
), event AS (
    INSERT INTO hpotool.events (study_id, kind, trial_id, number, actor, from_state, reason)
    SELECT study_id, 'preempt', trial_id, number, %(actor)s, 'RUNNING', 'its place is for study ' || yields_to FROM asked
)
SELECT number, s.study_name FROM asked JOIN studies s USING (study_id) ORDER BY number

-- name: list_places
-- An overview of the studies of all pools, of one pool, or of one study, which may be in no pool (shown as ''): settings,
-- running trials, why it waits, and the worker time of the last day.
WITH place AS (
    SELECT COALESCE(p.pool, '') AS pool, s.study_name, COALESCE(p.priority, 0) AS priority, COALESCE(p.weight, 1) AS weight,
        settings.max_running, settings.owner, COALESCE(p.preempts, false) AS preempts, settings.state, settings.study_id,
        hpotool.over_quota(settings.owner) AS quota,
        CASE WHEN NOT p.is_open AND p.look_again_at > clock_timestamp() THEN p.closed_because END AS closed_because,
        (SELECT count(*) FROM trials t WHERE t.study_id = settings.study_id AND t.state = 'RUNNING') AS running
    FROM hpotool.study_settings settings
    JOIN studies s USING (study_id)
    LEFT JOIN hpotool.pool_places p USING (study_id)
    WHERE CASE WHEN %(study_name)s::text IS NULL THEN p.pool IS NOT NULL AND (%(pool)s::text IS NULL OR p.pool = %(pool)s)
        ELSE s.study_name = %(study_name)s END
)
SELECT pool, study_name, priority, weight, max_running, owner, preempts, state,
    CASE WHEN state <> 'running' THEN state
        WHEN closed_because = 'done' THEN 'done'
        WHEN quota IS NOT NULL THEN 'quota'
        WHEN running >= max_running THEN 'capped'
        WHEN closed_because = 'wait' THEN 'wait'
    END,
    quota, running,
    (SELECT count(*) FROM hpotool.workers w WHERE w.study_id = place.study_id AND w.pool = place.pool AND w.ended_at IS NULL
        AND w.last_beat > clock_timestamp() - make_interval(secs => %(gone_after_s)s)),
    (SELECT COALESCE(sum(extract(epoch FROM COALESCE(a.ended_at, clock_timestamp())
            - GREATEST(a.started_at, clock_timestamp() - interval '1 day'))), 0)
     FROM hpotool.attempts a
     WHERE a.study_id = place.study_id AND COALESCE(a.ended_at, clock_timestamp()) > clock_timestamp() - interval '1 day'
    )::float8
FROM place
ORDER BY pool, priority DESC, weight DESC, study_name

-- name: count_pool_workers
-- The number of live workers in each pool, and how many of them have a trial.
SELECT w.pool, count(*), count(*) FILTER (WHERE is_busy)
FROM hpotool.workers w
LEFT JOIN LATERAL (
    SELECT a.ended_at IS NULL AS is_busy FROM hpotool.attempts a
    WHERE a.worker_id = w.worker_id ORDER BY a.started_at DESC LIMIT 1
) latest ON true
WHERE w.pool IS NOT NULL AND w.ended_at IS NULL
    AND w.last_beat > clock_timestamp() - make_interval(secs => %(gone_after_s)s)
GROUP BY w.pool ORDER BY w.pool
