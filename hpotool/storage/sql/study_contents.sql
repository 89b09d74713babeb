-- What a study holds: trials, attempts, and the workers that ever worked on it.
SELECT
    (SELECT count(*) FROM trials WHERE study_id = %(study_id)s),
    (SELECT count(*) FROM hpotool.attempts WHERE study_id = %(study_id)s),
    (SELECT COALESCE(array_agg(worker_id), '{}') FROM hpotool.workers WHERE study_id = %(study_id)s)
