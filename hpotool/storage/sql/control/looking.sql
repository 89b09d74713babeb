-- Reading a study's attempts, events and activity.

-- name: list_attempts
-- The attempts of a study, or of some trials, oldest first, as shown by `trials` and `show`; in brief without output.
SELECT a.number, json_build_object(
    'worker', a.worker_id, 'host', a.host, 'slot', a.slot, 'outcome', a.outcome, 'reason', a.reason,
    'duration_s', round(GREATEST(0, extract(epoch FROM COALESCE(a.ended_at, clock_timestamp()) - a.started_at))::numeric, 3),
    'started', to_char(a.started_at AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), 'output_tail', CASE WHEN NOT %(brief)s THEN a.output_tail END, 'gpu', a.gpu)
FROM hpotool.attempts a
JOIN studies s USING (study_id)
WHERE s.study_name = %(study_name)s AND (%(numbers)s::integer[] IS NULL OR a.number = ANY(%(numbers)s::integer[]))
ORDER BY a.started_at

-- name: read_events
-- Events after an id, oldest first; optionally of one trial, or only the last ones.
SELECT event_id, at, kind, number, actor, from_state, to_state, reason
FROM (
    SELECT * FROM hpotool.events
    WHERE study_id = %(study_id)s AND event_id > %(after)s AND (%(number)s::integer IS NULL OR number = %(number)s)
    ORDER BY event_id DESC LIMIT %(last)s
) newest
ORDER BY event_id

-- name: note_pruner_mismatch
-- Record once per study that the pruner does not match the objective's reports.
WITH noted AS (
    INSERT INTO study_system_attributes (study_id, key, value_json)
    VALUES (%(study_id)s, 'hpotool:pruner_mismatch', %(mismatch)s)
    ON CONFLICT (study_id, key) DO NOTHING
    RETURNING study_id
)
INSERT INTO hpotool.events (study_id, kind, actor, reason)
SELECT study_id, 'pruner', %(actor)s, %(reason)s FROM noted


-- name: study_activity
-- A study's activity, by the database's clock: ages of its creation, its first claim and its last ended attempt; worker
-- time per finished trial; numbers of retried and requeued trials; failures by outcome; the attempts that ended last; the
-- workers that left last, with reasons; the step that each worker's trial has reached.
-- A gap between two trials of a worker counts for up to ten seconds; longer gaps are pauses. The attempts that ended last
-- are found through the event of each end, which has an index that their time has not.
WITH study AS (
    SELECT study_id, created_at, first_claim_at
    FROM hpotool.study_settings JOIN studies s USING (study_id)
    WHERE s.study_name = %(study_name)s
), told AS (
    SELECT DISTINCT trial_id FROM (
        SELECT trial_id FROM hpotool.events e
        WHERE e.study_id = (SELECT study_id FROM study) AND e.kind IN ('finish', 'reap')
        ORDER BY event_id DESC LIMIT %(last)s) latest
), newest AS (
    SELECT own.*, lag(ended_at) OVER (PARTITION BY worker_id ORDER BY started_at) AS free_since
    FROM (SELECT a.* FROM told JOIN hpotool.attempts a USING (trial_id) WHERE a.ended_at IS NOT NULL
        ORDER BY ended_at DESC LIMIT %(last)s) own
), costs AS (
    SELECT count(*) FILTER (WHERE outcome IN ('complete', 'pruned')) AS finished,
        avg(extract(epoch FROM ended_at - started_at)) FILTER (WHERE outcome IN ('complete', 'pruned')) AS trial_s,
        sum(GREATEST(0, extract(epoch FROM ended_at - started_at))
            + LEAST(10, GREATEST(0, extract(epoch FROM COALESCE(started_at - free_since, '0'))))) AS spent_s
    FROM newest
)
SELECT
    extract(epoch FROM clock_timestamp() - study.created_at)::float8,
    extract(epoch FROM clock_timestamp() - study.first_claim_at)::float8,
    (SELECT extract(epoch FROM clock_timestamp() - max(ended_at)) FROM newest)::float8,
    costs.trial_s::float8,
    (costs.spent_s / NULLIF(costs.finished, 0))::float8,
    (SELECT count(*) FROM hpotool.retries r WHERE r.study_id = study.study_id AND r.is_counted),
    (SELECT count(*) FROM hpotool.retries r WHERE r.study_id = study.study_id AND NOT r.is_counted),
    (SELECT COALESCE(json_agg(json_build_object(
        'outcome', outcome, 'count', n, 'reason', reason, 'trial', number) ORDER BY n DESC, outcome), '[]')
     FROM (SELECT outcome, count(*) AS n, (array_agg(reason ORDER BY ended_at DESC))[1] AS reason,
            (array_agg(number ORDER BY ended_at DESC))[1] AS number
        FROM hpotool.attempts a
        WHERE a.study_id = study.study_id AND ended_at IS NOT NULL AND outcome NOT IN ('complete', 'pruned')
        GROUP BY outcome) AS failed),
    (SELECT COALESCE(json_agg(json_build_object(
        'trial', number, 'first_trial', root_number, 'outcome', outcome, 'reason', reason, 'host', host,
        'duration_s', round(GREATEST(0, extract(epoch FROM ended_at - started_at))::numeric, 3)) ORDER BY ended_at DESC), '[]')
     FROM (SELECT * FROM newest ORDER BY ended_at DESC LIMIT %(shown)s) AS latest),
    (SELECT COALESCE(json_agg(json_build_object(
        'id', worker_id, 'host', host, 'reason', end_reason, 'ago_s', round(GREATEST(0,
            extract(epoch FROM clock_timestamp() - ended_at))::numeric, 1)) ORDER BY ended_at DESC), '[]')
     FROM (SELECT * FROM hpotool.workers w WHERE w.study_id = study.study_id AND w.ended_at IS NOT NULL
        ORDER BY ended_at DESC LIMIT 5) AS gone),
    (SELECT COALESCE(json_object_agg(a.worker_id, (
        SELECT max(step) FROM trial_intermediate_values v WHERE v.trial_id = a.trial_id)), '{}')
     FROM hpotool.attempts a WHERE a.study_id = study.study_id AND a.ended_at IS NULL)
FROM study, costs


-- name: list_overviews
-- The list of studies, without numbers of trials: state, budget, copied trials, ages of its creation and of its last
-- sign of life, the number of workers with a sign of life within some seconds, and the best value of one metric. With
-- constraints there is no best value here, because the study's own commands decide which trials are feasible.
SELECT s.study_name, settings.state, settings.budget_trials, COALESCE(settings.imported_trials, 0),
    extract(epoch FROM clock_timestamp() - settings.created_at)::float8,
    extract(epoch FROM clock_timestamp() - GREATEST(
        (SELECT max(last_beat) FROM hpotool.workers w WHERE w.study_id = s.study_id), settings.state_changed_at))::float8,
    (SELECT count(*) FROM hpotool.workers w WHERE w.study_id = s.study_id AND w.ended_at IS NULL
        AND w.last_beat > clock_timestamp() - make_interval(secs => %(gone_after_s)s)),
    (SELECT CASE (array_agg(d.direction::text))[1] WHEN 'MAXIMIZE' THEN max(v.value) ELSE min(v.value) END
     FROM trials t JOIN trial_values v USING (trial_id) JOIN study_directions d ON d.study_id = t.study_id
     WHERE t.study_id = s.study_id AND t.state = 'COMPLETE' AND v.value_type = 'FINITE'
        AND NOT EXISTS (SELECT FROM trial_system_attributes a WHERE a.trial_id = t.trial_id AND a.key = 'hpotool:phase')
        AND (SELECT count(*) FROM study_directions d WHERE d.study_id = s.study_id) = 1
        AND NOT EXISTS (SELECT FROM trials c JOIN trial_system_attributes a USING (trial_id)
            WHERE c.study_id = s.study_id AND starts_with(a.key, 'constraints')))
FROM studies s LEFT JOIN hpotool.study_settings settings USING (study_id)
ORDER BY s.study_id

-- name: list_all_workers
-- The workers of every study that have not ended: their trial, its step, its age, and the orders to both.
SELECT s.study_id, s.study_name, w.worker_id, w.host, w.slot, w.launch_id,
    GREATEST(0, extract(epoch FROM clock_timestamp() - w.last_beat))::float8, w.told_to,
    a.number, (SELECT max(step) FROM trial_intermediate_values v WHERE v.trial_id = a.trial_id),
    GREATEST(0, extract(epoch FROM clock_timestamp() - a.started_at))::float8, a.cancel_reason
FROM hpotool.workers w
JOIN studies s USING (study_id)
LEFT JOIN hpotool.attempts a ON a.worker_id = w.worker_id AND a.ended_at IS NULL AND a.study_id = w.study_id
WHERE w.ended_at IS NULL
ORDER BY s.study_id, w.registered_at, w.worker_id

-- name: list_open_launches
-- The launches that were not stopped, of studies with work left: how many of their workers give a sign of life.
SELECT s.study_id, s.study_name, l.launch_id, l.target, l.wanted,
    (SELECT count(*) FROM hpotool.workers w WHERE w.launch_id = l.launch_id AND w.ended_at IS NULL
        AND w.last_beat > clock_timestamp() - make_interval(secs => %(gone_after_s)s)),
    l.jobs, l.launched_by, GREATEST(0, extract(epoch FROM clock_timestamp() - l.launched_at))::float8
FROM hpotool.launches l
JOIN studies s USING (study_id)
JOIN hpotool.study_settings settings USING (study_id)
WHERE l.stopped_at IS NULL AND settings.state IN ('running', 'paused', 'draining')
ORDER BY l.launched_at, l.launch_id

-- name: list_study_ids
-- The ids of all studies by name, and the reason for each one's state.
SELECT s.study_name, s.study_id, settings.state_reason
FROM studies s LEFT JOIN hpotool.study_settings settings USING (study_id)

-- name: study_spending
-- The time spent on a study: attempts and seconds by outcome, slot, and whether they were re-evaluations.
SELECT outcome, slot, is_reevaluation, count(*), sum(seconds)::float8
FROM (
    SELECT outcome, slot, GREATEST(0, extract(epoch FROM COALESCE(ended_at, clock_timestamp()) - started_at)) AS seconds,
        EXISTS (SELECT FROM trial_system_attributes s
            WHERE s.trial_id = a.trial_id AND s.key = 'hpotool:phase') AS is_reevaluation
    FROM hpotool.attempts a WHERE study_id = %(study_id)s
) AS own
GROUP BY outcome, slot, is_reevaluation
