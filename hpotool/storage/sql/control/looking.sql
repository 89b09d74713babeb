-- What happened in a study, to look at.

-- name: list_attempts
-- The attempts of a study, or of one trial, the first one first: what `trials` and `show` tell about each.
SELECT a.number, json_build_object(
    'worker', a.worker_id, 'host', a.host, 'slot', a.slot, 'outcome', a.outcome, 'reason', a.reason,
    'duration_s', round(GREATEST(0, extract(epoch FROM COALESCE(a.ended_at, clock_timestamp()) - a.started_at))::numeric, 3),
    'started', to_char(a.started_at AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), 'output_tail', a.output_tail, 'gpu', a.gpu)
FROM hpotool.attempts a
JOIN studies s USING (study_id)
WHERE s.study_name = %(study_name)s AND (%(number)s IS NULL OR a.number = %(number)s)
ORDER BY a.started_at

-- name: read_events
-- Events after an id, oldest first; perhaps of one trial, perhaps only the last so many.
SELECT event_id, at, kind, number, actor, from_state, to_state, reason
FROM (
    SELECT * FROM hpotool.events
    WHERE study_id = %(study_id)s AND event_id > %(after)s AND (%(number)s::integer IS NULL OR number = %(number)s)
    ORDER BY event_id DESC LIMIT %(last)s
) newest
ORDER BY event_id

-- name: note_pruner_mismatch
-- What does not fit between the pruner and what the objective reports: noted once per study, whoever sees it first.
WITH noted AS (
    INSERT INTO study_system_attributes (study_id, key, value_json)
    VALUES (%(study_id)s, 'hpotool:pruner_mismatch', %(mismatch)s)
    ON CONFLICT (study_id, key) DO NOTHING
    RETURNING study_id
)
INSERT INTO hpotool.events (study_id, kind, actor, reason)
SELECT study_id, 'pruner', %(actor)s, %(reason)s FROM noted


-- name: failed_trials
-- The failed trials that nothing tries again, with how their last attempt ended and on which machine.
SELECT t.number, last.outcome, last.host
FROM trials t
LEFT JOIN LATERAL (
    SELECT outcome, host FROM hpotool.attempts a WHERE a.trial_id = t.trial_id ORDER BY started_at DESC LIMIT 1
) last ON true
WHERE t.study_id = %(study_id)s AND t.state = 'FAIL'
    AND NOT EXISTS (SELECT FROM hpotool.retries r WHERE r.previous_trial_id = t.trial_id)
ORDER BY t.number
