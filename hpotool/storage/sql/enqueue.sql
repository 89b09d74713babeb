-- Queue points to be tried next, all of them or none; their numbers in order.
-- include: lock_study
WITH queued AS (
    INSERT INTO trials (study_id, number, state)
    SELECT %(study_id)s,
        COALESCE((SELECT max(number) + 1 FROM trials WHERE study_id = %(study_id)s AND number IS NOT NULL), 0) + place,
        'WAITING'
    FROM generate_series(0, cardinality(%(points)s::text[]) - 1) AS place
    RETURNING trial_id, number
), fixed AS (
    INSERT INTO trial_system_attributes (trial_id, key, value_json)
    SELECT trial_id, 'fixed_params', (%(points)s::text[])[number - min(number) OVER () + 1] FROM queued
), event AS (
    INSERT INTO hpotool.events (study_id, kind, trial_id, number, actor, to_state)
    SELECT %(study_id)s, 'enqueue', trial_id, number, %(actor)s, 'WAITING' FROM queued
    WHERE EXISTS (SELECT FROM hpotool.study_settings WHERE study_id = %(study_id)s)
)
SELECT number FROM queued ORDER BY number
