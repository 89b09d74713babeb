-- What happens in a study, by the database's clock: ages of its making, its first claim and its last ended attempt; what
-- a finished trial costs of its workers' time; how many trials were tried again, and handed back; failures by outcome;
-- the last attempts that ended; the last workers that left, and why; the step that each worker's trial has reached.
-- A gap between two trials of a worker counts up to ten seconds: longer ones are a pause and not the trials'.
WITH study AS (
    SELECT study_id, created_at, first_claim_at
    FROM hpotool.study_settings JOIN studies s USING (study_id)
    WHERE s.study_name = %(study_name)s
), own AS (
    SELECT number, root_number, worker_id, host, slot, started_at, ended_at, outcome, reason
    FROM hpotool.attempts WHERE study_id = (SELECT study_id FROM study) AND ended_at IS NOT NULL
), newest AS (
    SELECT own.*, lag(ended_at) OVER (PARTITION BY worker_id ORDER BY started_at) AS free_since
    FROM (SELECT * FROM own ORDER BY ended_at DESC LIMIT %(last)s) own
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
    (SELECT extract(epoch FROM clock_timestamp() - max(ended_at)) FROM own)::float8,
    costs.trial_s::float8,
    (costs.spent_s / NULLIF(costs.finished, 0))::float8,
    (SELECT count(*) FROM hpotool.retries r WHERE r.study_id = study.study_id AND r.is_counted),
    (SELECT count(*) FROM hpotool.retries r WHERE r.study_id = study.study_id AND NOT r.is_counted),
    (SELECT COALESCE(json_agg(json_build_object(
        'outcome', outcome, 'count', n, 'reason', reason, 'trial', number) ORDER BY n DESC, outcome), '[]')
     FROM (SELECT outcome, count(*) AS n, (array_agg(reason ORDER BY ended_at DESC))[1] AS reason,
            (array_agg(number ORDER BY ended_at DESC))[1] AS number
        FROM own WHERE outcome NOT IN ('complete', 'pruned') GROUP BY outcome) AS failed),
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
