-- Quarantined hosts and devices, which take no trials of a study.

-- name: read_failure_evidence
-- What a worker needs to judge a failure: the attempts for its breaker (see `read_ended_attempts`), the latest ended
-- attempts on its host, on its devices and elsewhere (newest first), its current quarantine, and its host. Attempts from
-- before the end of a place's last quarantine do not count. Reads each worker's attempts by index.
WITH breaker AS (
-- include: read_ended_attempts
), place AS (
    SELECT host, devices FROM hpotool.workers WHERE worker_id = %(worker_id)s
), free_since AS (
    SELECT max(COALESCE(q.lifted_at, q.until)) AS at
    FROM hpotool.quarantines q, place
    WHERE q.study_id = %(study_id)s AND CASE WHEN q.device IS NULL THEN q.host = place.host ELSE q.device = ANY(place.devices) END
), seen AS (
    SELECT w.worker_id, w.host, w.devices, w.host = place.host OR w.devices && place.devices AS is_here
    FROM hpotool.workers w, place
    -- A pool's worker may have gone on to another study.
    WHERE w.study_id = %(study_id)s OR (w.pool IS NOT NULL AND w.worker_id IN (
        SELECT worker_id FROM hpotool.attempts WHERE study_id = %(study_id)s AND pool IS NOT NULL))
), placed AS (
    SELECT seen.host, seen.devices, seen.is_here, a.outcome, a.root_number, a.ended_at,
        row_number() OVER (PARTITION BY is_here ORDER BY a.ended_at DESC) AS place
    FROM seen, free_since, LATERAL (
        SELECT outcome, root_number, ended_at FROM hpotool.attempts
        WHERE worker_id = seen.worker_id AND study_id = %(study_id)s AND outcome IS NOT NULL
            AND (free_since.at IS NULL OR NOT seen.is_here OR started_at > free_since.at)
        ORDER BY started_at DESC LIMIT %(of_each)s) a
)
SELECT
    (SELECT COALESCE(json_agg(json_build_array(outcome, worker_id, point)), '[]') FROM breaker),
    (SELECT COALESCE(json_agg(json_build_array(outcome, host, devices, root_number) ORDER BY ended_at DESC), '[]')
     FROM placed WHERE placed.place <= %(recent)s),
    hpotool.quarantine_of(%(study_id)s, %(worker_id)s),
    (SELECT host FROM place)

-- name: begin_quarantine
-- Begin a quarantine, unless the place is in one already. With needs_others, only while another place has a live
-- worker that takes trials. Returns whether it began.
-- include: lock_study
WITH begun AS (
    INSERT INTO hpotool.quarantines (study_id, host, device, reason, began_by, until)
    SELECT %(study_id)s, %(host)s, %(device)s, %(reason)s, %(actor)s,
        clock_timestamp() + make_interval(secs => %(for_s)s)
    WHERE NOT EXISTS (
            SELECT FROM hpotool.quarantines q
            WHERE q.study_id = %(study_id)s AND q.lifted_at IS NULL AND q.until > clock_timestamp()
                AND CASE WHEN %(device)s::text IS NULL THEN q.device IS NULL AND q.host = %(host)s ELSE q.device = %(device)s END)
        AND (NOT %(needs_others)s OR EXISTS (
            SELECT FROM hpotool.workers w
            WHERE w.ended_at IS NULL AND (w.study_id = %(study_id)s
                    OR w.pool = (SELECT s.pool FROM hpotool.study_settings s WHERE s.study_id = %(study_id)s))
                AND w.last_beat > clock_timestamp() - make_interval(secs => %(grace_s)s)
                AND CASE WHEN %(device)s::text IS NULL THEN w.host <> %(host)s ELSE NOT %(device)s = ANY(w.devices) END
                AND hpotool.quarantine_of(%(study_id)s, w.worker_id) IS NULL))
    RETURNING study_id, host, device, until
), noted AS (
    UPDATE hpotool.study_settings s SET quarantined_until = GREATEST(s.quarantined_until, begun.until)
    FROM begun WHERE s.study_id = begun.study_id
-- include: quarantine_event
-- include: burn
SELECT EXISTS (SELECT FROM begun), (SELECT count(*) FROM queued_again)

-- name: return_burnt
-- Retry trials elsewhere whose attempts failed in a place that has been quarantined since. Returns how many were queued.
-- include: lock_study
WITH begun AS (
    SELECT %(study_id)s AS study_id, %(host)s::text AS host, %(device)s::text AS device
-- include: burn
SELECT false, (SELECT count(*) FROM queued_again)

-- name: quarantine_event
-- Log that a quarantine has begun.
), quarantine_event AS (
    INSERT INTO hpotool.events (study_id, kind, actor, to_state, reason)
    SELECT study_id, 'quarantine', %(actor)s, 'quarantined', COALESCE(device, host) || ': ' || %(reason)s FROM begun

-- name: burn
-- Mark the failed attempts of the given lineages in the place of `begun`, so that they do not count as retries, and
-- queue their trials again unless something has followed already. Also clears the mark that tells the sampler that
-- their parameters fail.
), burnt AS (
    UPDATE hpotool.attempts a SET is_burnt = true
    FROM begun, hpotool.workers w
    WHERE a.study_id = begun.study_id AND a.root_number = ANY(%(roots)s::integer[]) AND w.worker_id = a.worker_id
        AND CASE WHEN begun.device IS NULL THEN w.host = begun.host ELSE begun.device = ANY(w.devices) END
        AND a.outcome = ANY(%(failures)s) AND NOT a.is_burnt
    RETURNING a.trial_id, a.cancel_reason
), ended AS (
    SELECT t.study_id, t.trial_id, t.number
    FROM burnt JOIN trials t USING (trial_id)
    WHERE t.state = 'FAIL' AND burnt.cancel_reason IS NULL
        AND NOT EXISTS (SELECT FROM hpotool.retries r WHERE r.previous_trial_id = t.trial_id)
), taken_back AS (
    DELETE FROM trial_system_attributes a USING ended WHERE a.trial_id = ended.trial_id AND a.key = 'hpotool:failed'
-- include: queue_again
)

-- name: lift_quarantines
-- Lift the quarantine of a place, or all of the study's if none is given. Returns the places.
WITH lifted AS (
    UPDATE hpotool.quarantines SET lifted_at = clock_timestamp(), lifted_by = %(actor)s
    WHERE study_id = %(study_id)s AND lifted_at IS NULL AND until > clock_timestamp()
        AND (%(place)s::text IS NULL OR COALESCE(device, host) = %(place)s)
    RETURNING study_id, COALESCE(device, host) AS place
), event AS (
    INSERT INTO hpotool.events (study_id, kind, actor, from_state, to_state, reason)
    SELECT study_id, 'quarantine', %(actor)s, 'quarantined', 'lifted', place FROM lifted
)
SELECT place FROM lifted ORDER BY place

-- name: list_quarantines
-- The quarantines of a study, newest first: those in force, and if with_past is set also those that are over.
SELECT host, device, reason, began_by, began_at, until, lifted_by, lifted_at,
    lifted_at IS NULL AND until > clock_timestamp()
FROM hpotool.quarantines
WHERE study_id = %(study_id)s AND (%(with_past)s OR (lifted_at IS NULL AND until > clock_timestamp()))
ORDER BY quarantine_id DESC

-- name: find_host_of_device
-- The host where a worker of the study or its pool last used the device.
SELECT host FROM hpotool.workers
WHERE %(device)s = ANY(devices) AND (study_id = %(study_id)s
    OR pool = (SELECT s.pool FROM hpotool.study_settings s WHERE s.study_id = %(study_id)s))
ORDER BY registered_at DESC LIMIT 1

-- name: note_device
-- Log that a worker has stopped using one of its GPUs, or uses it again.
INSERT INTO hpotool.events (study_id, kind, actor, to_state, reason)
VALUES (%(study_id)s, 'device', %(actor)s, %(to_state)s, %(reason)s)

-- name: note_device_in_pool
-- The same for a worker of a pool, in each study that it would serve.
INSERT INTO hpotool.events (study_id, kind, actor, to_state, reason)
SELECT p.study_id, 'device', %(actor)s, %(to_state)s, %(reason)s
FROM hpotool.pool_places p JOIN hpotool.study_settings s USING (study_id)
WHERE p.pool = %(pool)s AND s.state = 'running'
