-- Notifications about a study, each sent once.

-- name: tell_events
-- Enter a notice for each event of the given kinds since notifications were requested. The job's row is locked first,
-- so that a process that has lost the job enters nothing.
SELECT FROM hpotool.side_jobs WHERE study_id = %(study_id)s AND job = %(job)s AND holder = %(holder)s FOR UPDATE;
INSERT INTO hpotool.notices (study_id, occasion, key, title, body)
SELECT e.study_id, %(occasion)s, e.event_id::text, %(title)s, btrim(e.reason || ' (by ' || e.actor || ')')
FROM hpotool.events e JOIN hpotool.side_jobs j USING (study_id)
WHERE e.study_id = %(study_id)s AND j.job = %(job)s AND j.holder = %(holder)s AND e.event_id > j.known_event
    AND e.kind NOT IN ('claim', 'finish', 'reap', 'retry', 'requeue', 'enqueue', 'branch', 'take-over')
    AND e.kind = %(kind)s AND (%(to_state)s::text IS NULL OR e.to_state = %(to_state)s)
    AND starts_with(e.reason, %(reason)s)
ON CONFLICT (study_id, occasion, key) DO NOTHING
RETURNING notice_id

-- name: tell
-- Enter a notice, unless it was entered before, or another one of its kind recently. The job's row is locked first, so
-- that a process that has lost the job enters nothing.
SELECT FROM hpotool.side_jobs WHERE study_id = %(study_id)s AND job = %(job)s AND holder = %(holder)s FOR UPDATE;
INSERT INTO hpotool.notices (study_id, occasion, key, title, body)
SELECT j.study_id, %(occasion)s, %(key)s, %(title)s, %(body)s
FROM hpotool.side_jobs j
WHERE j.study_id = %(study_id)s AND j.job = %(job)s AND j.holder = %(holder)s
    AND NOT EXISTS (
        SELECT FROM hpotool.notices n WHERE n.study_id = j.study_id AND n.occasion = %(occasion)s
            AND n.noticed_at > clock_timestamp() - make_interval(secs => %(not_within_s)s))
ON CONFLICT (study_id, occasion, key) DO NOTHING
RETURNING notice_id

-- name: claim_notice
-- Take the oldest notice that is due, for a given time, in which nobody else sends it. Returns a salt, so that the
-- stored hashes of addresses reveal nothing.
UPDATE hpotool.notices n
SET holder = %(holder)s, tries = tries + 1, try_after = clock_timestamp() + make_interval(secs => %(for_s)s)
WHERE notice_id = (
    SELECT notice_id FROM hpotool.notices
    WHERE study_id = %(study_id)s AND sent_at IS NULL AND try_after <= clock_timestamp()
    ORDER BY notice_id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING notice_id, occasion, title, body, tries, sent_to,
    (SELECT j.job_id::text FROM hpotool.side_jobs j WHERE j.study_id = n.study_id AND j.job = %(job)s)

-- name: settle_notice
-- Record who has received the notice, and either that it is complete or when to try the others again.
UPDATE hpotool.notices
SET sent_to = %(sent_to)s::text[], trouble = %(trouble)s::text,
    sent_at = CASE WHEN %(is_sent)s THEN clock_timestamp() END,
    try_after = clock_timestamp() + make_interval(secs => %(again_in_s)s)
WHERE notice_id = %(notice_id)s AND holder = %(holder)s AND sent_at IS NULL

-- name: list_notices
-- All notices, sent or not, oldest first.
SELECT occasion, title, body, noticed_at, sent_at, tries, trouble
FROM hpotool.notices WHERE study_id = %(study_id)s ORDER BY notice_id

-- name: unsent_notices
-- The number of unsent notices.
SELECT count(*) FROM hpotool.notices WHERE study_id = %(study_id)s AND sent_at IS NULL

-- name: watch_workers
-- The number of workers with a heartbeat within the given seconds, including those of the study's pool that serve other
-- studies; the last heartbeat of any worker, its age, and why that worker left; the study's age; and the outcomes of the
-- latest attempts since notifications were requested.
SELECT
    count(*) FILTER (WHERE ended_at IS NULL AND last_beat > clock_timestamp() - make_interval(secs => %(grace_s)s))
        + (SELECT count(*) FROM hpotool.study_settings s JOIN hpotool.workers w USING (pool)
           WHERE s.study_id = %(study_id)s AND w.study_id IS DISTINCT FROM s.study_id AND w.ended_at IS NULL
               AND w.last_beat > clock_timestamp() - make_interval(secs => %(grace_s)s)),
    extract(epoch FROM max(COALESCE(ended_at, last_beat)))::float8,
    extract(epoch FROM clock_timestamp() - max(COALESCE(ended_at, last_beat)))::float8,
    (array_agg(end_reason ORDER BY COALESCE(ended_at, last_beat) DESC))[1],
    (SELECT extract(epoch FROM clock_timestamp() - first_claim_at)::float8 FROM hpotool.study_settings
     WHERE study_id = %(study_id)s),
    (SELECT COALESCE(json_agg(json_build_array(number, outcome, reason) ORDER BY ended_at DESC), '[]') FROM (
        SELECT number, outcome, reason, ended_at FROM hpotool.attempts
        WHERE study_id = %(study_id)s AND outcome NOT IN ('preempted', 'cancelled')
            AND ended_at > (SELECT made_at FROM hpotool.side_jobs WHERE study_id = %(study_id)s AND job = %(job)s)
        ORDER BY ended_at DESC LIMIT %(last)s) newest)
FROM hpotool.workers WHERE study_id = %(study_id)s

-- name: best_of_one
-- The best complete trial of the search by one metric, of those that meet its constraints: its number and value.
SELECT t.number, v.value
FROM trials t JOIN trial_values v USING (trial_id)
WHERE t.study_id = %(study_id)s AND t.state = 'COMPLETE' AND v.objective = 0 AND v.value_type = 'FINITE'
    AND NOT EXISTS (SELECT FROM trial_system_attributes a
        WHERE a.trial_id = t.trial_id
            AND (starts_with(a.key, 'constraints:') AND a.value_json::float8 > 0 OR a.key = 'hpotool:phase'))
ORDER BY CASE WHEN %(maximize)s THEN -v.value ELSE v.value END, t.number LIMIT 1
