-- The RUNNING trials of a study that have a heartbeat, but for the asking worker's own: their last beat, who runs them,
-- and how the earlier attempts of their lineage ended. No clock is read here: a beat says whether it is another one, not
-- how old it is. (It has the time zone of whoever beat, and the clock of the server may jump.)
SELECT
    t.trial_id, t.number, h.heartbeat, a.attempt_id::text,
    ARRAY(
        SELECT earlier.outcome FROM hpotool.attempts earlier
        WHERE earlier.study_id = t.study_id AND earlier.root_number = a.root_number AND earlier.outcome IS NOT NULL
        ORDER BY earlier.number
    ),
    w.worker_id, w.host, w.pid, w.process_space, w.process_start, w.slot
FROM trials t
JOIN trial_heartbeats h ON h.trial_id = t.trial_id
LEFT JOIN hpotool.attempts a ON a.trial_id = t.trial_id AND a.ended_at IS NULL
LEFT JOIN hpotool.workers w ON w.worker_id = a.worker_id
WHERE t.study_id = %(study_id)s AND t.state = 'RUNNING'
    AND (a.attempt_id IS NULL OR a.attempt_id IS DISTINCT FROM %(attempt_id)s::uuid)
ORDER BY t.trial_id
