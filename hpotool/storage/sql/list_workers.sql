-- The workers of a study that have not ended, each with the trial that it has claimed.
SELECT w.worker_id, w.host, w.pid, w.process_space, w.process_start, w.slot, GREATEST(0, extract(epoch FROM clock_timestamp() - w.last_beat))::float8,
    (SELECT t.number FROM trials t JOIN hpotool.attempts a ON a.trial_id = t.trial_id
     WHERE t.study_id = w.study_id AND t.state = 'RUNNING' AND a.worker_id = w.worker_id AND a.ended_at IS NULL LIMIT 1)
FROM hpotool.workers w
WHERE w.study_id = %(study_id)s AND w.ended_at IS NULL
ORDER BY w.registered_at, w.worker_id
