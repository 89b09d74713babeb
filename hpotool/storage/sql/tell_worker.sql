-- Tell one live worker to drain or stop.
WITH worker AS (
    UPDATE hpotool.workers SET told_to = %(order)s WHERE worker_id = %(worker_id)s AND ended_at IS NULL
    RETURNING study_id, worker_id
)
INSERT INTO hpotool.events (study_id, kind, actor, reason)
SELECT study_id, 'order', %(actor)s, %(order)s || ' worker ' || worker_id FROM worker
RETURNING event_id
