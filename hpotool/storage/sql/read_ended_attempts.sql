-- How a worker's last attempts ended, its last success, those of the same lineages on other workers, and what others
-- ended last; oldest first. The point is equal for equal parameters. Out of memory where that is an answer is one.
WITH own AS (
    SELECT attempt_id, root_number FROM hpotool.attempts
    WHERE worker_id = %(worker_id)s AND ended_at IS NOT NULL
    ORDER BY started_at DESC LIMIT %(last)s
), relevant AS (
    SELECT attempt_id FROM own
    UNION
    (SELECT attempt_id FROM hpotool.attempts
     WHERE worker_id = %(worker_id)s AND outcome IN ('complete', 'pruned') ORDER BY started_at DESC LIMIT 1)
    UNION
    SELECT a.attempt_id FROM hpotool.attempts a
    WHERE a.study_id = %(study_id)s AND a.worker_id <> %(worker_id)s AND a.outcome IS NOT NULL
        AND a.root_number IN (SELECT root_number FROM own)
    UNION
    (SELECT a.attempt_id FROM hpotool.attempts a
     WHERE a.study_id = %(study_id)s AND a.worker_id <> %(worker_id)s AND a.outcome IS NOT NULL
     ORDER BY a.started_at DESC LIMIT %(last)s)
)
SELECT CASE WHEN outcome = 'oom' AND t.state = 'PRUNED' THEN 'pruned' ELSE outcome END, worker_id, COALESCE(
    (SELECT md5(string_agg(p.param_name || '=' || p.param_value::text, ',' ORDER BY p.param_name))
     FROM trial_params p WHERE p.trial_id = a.trial_id), 'trial ' || a.number)
FROM relevant JOIN hpotool.attempts a USING (attempt_id) LEFT JOIN trials t ON t.trial_id = a.trial_id
ORDER BY a.started_at
