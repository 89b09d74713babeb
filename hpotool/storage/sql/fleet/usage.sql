-- A study's usage of its budget.

-- name: study_usage
-- The study's usage by the database's clock: seconds since its first claim, seconds of attempts per slot, and the
-- number of trials that failed and were not retried. Trials beside the search do not count.
SELECT
    GREATEST(0, extract(epoch FROM clock_timestamp() - first_claim_at))::float8,
    (SELECT COALESCE(json_object_agg(slot, seconds), '{}') FROM (
        SELECT slot, sum(GREATEST(0, extract(epoch FROM COALESCE(ended_at, clock_timestamp()) - started_at)))::float8 AS seconds
        FROM hpotool.attempts a
        WHERE study_id = %(study_id)s AND (apart_from_id IS NULL OR NOT EXISTS (
            SELECT FROM trial_system_attributes s WHERE s.trial_id = a.trial_id AND s.key = 'hpotool:phase'))
        GROUP BY slot) AS used),
    (SELECT count(*) FROM trials t
     WHERE t.study_id = %(study_id)s AND t.state = 'FAIL'
        AND NOT EXISTS (SELECT FROM hpotool.retries r WHERE r.previous_trial_id = t.trial_id)
        AND (apart_from_id IS NULL OR NOT EXISTS (
            SELECT FROM trial_system_attributes s WHERE s.trial_id = t.trial_id AND s.key = 'hpotool:phase')))
FROM hpotool.study_settings WHERE study_id = %(study_id)s

-- name: finished_since
-- The finished trials from an id on, in the order in which they finished, and the lowest id that is still open.
-- Includes the violation of each constraint, for replicates a key of the point (parameters with their stored values),
-- and whether the trial finished in another study.
SELECT
    t.trial_id,
    t.state = 'COMPLETE',
    ARRAY(
        SELECT CASE value_type WHEN 'INF_POS' THEN 'Infinity' WHEN 'INF_NEG' THEN '-Infinity' ELSE value END
        FROM trial_values v WHERE v.trial_id = t.trial_id ORDER BY objective),
    (SELECT COALESCE(json_object_agg(a.key, a.value_json::float8), '{}') FROM trial_system_attributes a
     WHERE a.trial_id = t.trial_id AND a.key LIKE 'constraints:%%'),
    CASE WHEN %(replicates)s THEN (
        SELECT COALESCE(json_object_agg(p.param_name, p.param_value ORDER BY p.param_name)::text, '')
        FROM trial_params p WHERE p.trial_id = t.trial_id)
    END,
    EXISTS (SELECT FROM trial_system_attributes a WHERE a.trial_id = t.trial_id AND a.key = 'hpotool:taken_from'),
    (SELECT min(trial_id) FROM trials WHERE study_id = %(study_id)s AND state IN ('RUNNING', 'WAITING'))
FROM trials t
WHERE t.study_id = %(study_id)s AND t.trial_id >= %(from_id)s AND t.state IN ('COMPLETE', 'PRUNED')
    AND NOT EXISTS (SELECT FROM trial_system_attributes a WHERE a.trial_id = t.trial_id AND a.key = 'hpotool:phase')
ORDER BY t.datetime_complete, t.trial_id
