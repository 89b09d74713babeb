-- How a worker's last attempts ended, and those of the same lineages on other workers; oldest first. The point is equal
-- for equal parameters.
WITH own AS (
    SELECT attempt_id, root_number FROM hpotool.attempts
    WHERE worker_id = %(worker_id)s AND ended_at IS NOT NULL
    ORDER BY started_at DESC LIMIT %(last)s
), relevant AS (
    SELECT a.* FROM hpotool.attempts a JOIN own USING (attempt_id)
    UNION
    SELECT a.* FROM hpotool.attempts a
    WHERE a.study_id = %(study_id)s AND a.worker_id <> %(worker_id)s AND a.outcome IS NOT NULL
        AND a.root_number IN (SELECT root_number FROM own)
)
SELECT outcome, worker_id, COALESCE(
    (SELECT md5(string_agg(p.param_name || '=' || p.param_value::text, ',' ORDER BY p.param_name))
     FROM trial_params p WHERE p.trial_id = relevant.trial_id), 'trial ' || number)
FROM relevant ORDER BY started_at
