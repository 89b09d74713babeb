-- A worker ends, and says why; the first reason stays.
WITH worker AS (
    UPDATE hpotool.workers SET ended_at = clock_timestamp(), end_reason = %(reason)s
    WHERE worker_id = %(worker_id)s AND ended_at IS NULL
    RETURNING study_id, worker_id
)
INSERT INTO hpotool.events (study_id, kind, actor, from_state, to_state, reason)
SELECT study_id, 'worker', worker_id, 'started', 'ended', %(reason)s FROM worker
