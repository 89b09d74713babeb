-- name: study_contents
-- The contents of a study: the numbers of its trials and attempts, and all workers it ever had.
SELECT
    (SELECT count(*) FROM trials WHERE study_id = %(study_id)s),
    (SELECT count(*) FROM hpotool.attempts WHERE study_id = %(study_id)s),
    (SELECT COALESCE(array_agg(worker_id), '{}') FROM hpotool.workers WHERE study_id = %(study_id)s)


-- name: write_trials
-- Append whole trials to a study, with all their data; returns their ids in order. Data refers to a trial by its index
-- among them. `seen` is the expected content of the study's origin mark (no row if it has changed; NULL: the study
-- needs no mark), and `mark` replaces it.
-- include: lock_study
WITH allowed AS (
    SELECT WHERE %(seen)s::text IS NULL OR EXISTS (
        SELECT FROM study_system_attributes
        WHERE study_id = %(study_id)s AND key = %(mark_key)s AND value_json = %(seen)s::text)
), created AS (
    INSERT INTO trials (study_id, number, state, datetime_start, datetime_complete)
    SELECT %(study_id)s,
        COALESCE((SELECT max(number) + 1 FROM trials WHERE study_id = %(study_id)s AND number IS NOT NULL), 0) + n - 1,
        state::trialstate, started, completed
    FROM allowed, unnest(%(states)s::text[], %(starts)s::timestamp[], %(ends)s::timestamp[])
        WITH ORDINALITY g (state, started, completed, n)
    ORDER BY n
    RETURNING trial_id, number
), placed AS (
    SELECT trial_id, row_number() OVER (ORDER BY number) - 1 AS place FROM created
), v AS (
    INSERT INTO trial_values (trial_id, objective, value, value_type)
    SELECT trial_id, objective, value, type::trialvaluetype
    FROM unnest(%(value_places)s::int[], %(objectives)s::int[], %(values)s::float8[], %(value_types)s::text[])
        WITH ORDINALITY w (place, objective, value, type, n)
    JOIN placed USING (place)
    ORDER BY n
), p AS (
    INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
    SELECT trial_id, name, value, distribution
    FROM unnest(
        %(param_places)s::int[], %(param_names)s::text[], %(param_values)s::float8[], %(distributions)s::text[]
    ) WITH ORDINALITY w (place, name, value, distribution, n)
    JOIN placed USING (place)
    ORDER BY n
), i AS (
    INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)
    SELECT trial_id, step, value, type::trialintermediatevaluetype
    FROM unnest(%(step_places)s::int[], %(steps)s::int[], %(step_values)s::float8[], %(step_types)s::text[])
        WITH ORDINALITY w (place, step, value, type, n)
    JOIN placed USING (place)
    ORDER BY n
), u AS (
    INSERT INTO trial_user_attributes (trial_id, key, value_json)
    SELECT trial_id, key, value
    FROM unnest(%(user_places)s::int[], %(user_keys)s::text[], %(user_values)s::text[])
        WITH ORDINALITY w (place, key, value, n)
    JOIN placed USING (place)
    ORDER BY n
), s AS (
    INSERT INTO trial_system_attributes (trial_id, key, value_json)
    SELECT trial_id, key, value
    FROM unnest(%(system_places)s::int[], %(system_keys)s::text[], %(system_values)s::text[])
        WITH ORDINALITY w (place, key, value, n)
    JOIN placed USING (place)
    ORDER BY n
    RETURNING trial_id, key
), reevaluations AS (
    UPDATE hpotool.study_settings
    SET apart_from_id = LEAST(apart_from_id, (SELECT min(trial_id) FROM s WHERE key = 'hpotool:phase'))
    WHERE study_id = %(study_id)s AND EXISTS (SELECT FROM s WHERE key = 'hpotool:phase')
), marked AS (
    UPDATE study_system_attributes SET value_json = %(mark)s
    WHERE study_id = %(study_id)s AND key = %(mark_key)s AND EXISTS (SELECT FROM created)
)
SELECT trial_id FROM placed ORDER BY place

-- name: copy_user_attributes
-- Give a study the user attributes of another one.
INSERT INTO study_user_attributes (study_id, key, value_json)
SELECT %(study_id)s, key, value_json FROM study_user_attributes WHERE study_id = %(source_id)s
ON CONFLICT (study_id, key) DO NOTHING

-- name: copy_note
-- Give a study the note on another one, as optuna-dashboard keeps it; those on its trials are not among them.
INSERT INTO study_system_attributes (study_id, key, value_json)
SELECT %(study_id)s, key, value_json FROM study_system_attributes
WHERE study_id = %(source_id)s AND (key = 'dashboard:note_ver' OR starts_with(key, 'dashboard:note_str:'))
ON CONFLICT (study_id, key) DO NOTHING

-- name: trial_notes
-- The attributes of a study that hold the notes on its trials.
SELECT key, value_json FROM study_system_attributes
WHERE study_id = %(study_id)s AND key ~ '^dashboard:[0-9]+:note_'
