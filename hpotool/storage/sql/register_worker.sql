-- Enter a worker in the registry, with the event; sent twice it is entered once.
WITH adopted AS (
    INSERT INTO hpotool.study_settings (study_id) VALUES (%(study_id)s) ON CONFLICT (study_id) DO NOTHING
), worker AS (
    INSERT INTO hpotool.workers (worker_id, study_id, host, pid, process_space, process_start, slot, version)
    VALUES (%(worker_id)s, %(study_id)s, %(host)s, %(pid)s, %(process_space)s, %(process_start)s, %(slot)s, %(version)s)
    ON CONFLICT (worker_id) DO NOTHING
    RETURNING study_id, worker_id
)
INSERT INTO hpotool.events (study_id, kind, actor, to_state, reason)
SELECT study_id, 'worker', worker_id, 'started', 'slot ' || %(slot)s FROM worker
