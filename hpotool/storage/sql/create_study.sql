-- Create a study with its settings and its warm start, or give a study of plain Optuna its settings; all or nothing.
-- Whoever comes second, in any number, finds the settings there and changes nothing.
INSERT INTO studies (study_name) VALUES (%(study_name)s) ON CONFLICT (study_name) DO NOTHING;
SELECT FROM studies WHERE study_name = %(study_name)s FOR UPDATE;
WITH study AS (
    SELECT study_id FROM studies WHERE study_name = %(study_name)s
), directions AS (
    INSERT INTO study_directions (study_id, direction, objective)
    SELECT study_id, direction::studydirection, place - 1
    FROM study, unnest(%(directions)s::text[]) WITH ORDINALITY AS given (direction, place)
    WHERE NOT EXISTS (SELECT FROM study_directions d WHERE d.study_id = study.study_id)
), settings AS (
    INSERT INTO hpotool.study_settings (study_id, spec, spec_hash, versions, budget_trials, branch_places)
    SELECT study_id, %(spec)s::jsonb, %(spec_hash)s, %(versions)s::jsonb, %(budget_trials)s, %(branch_places)s FROM study
    -- A study of plain Optuna that was merely paused, say, has a row that nobody has described yet.
    ON CONFLICT (study_id) DO UPDATE
    SET spec = EXCLUDED.spec, spec_hash = EXCLUDED.spec_hash, versions = EXCLUDED.versions,
        budget_trials = EXCLUDED.budget_trials, branch_places = EXCLUDED.branch_places
    WHERE study_settings.spec IS NULL
    RETURNING study_id
), metric_names AS (
    INSERT INTO study_system_attributes (study_id, key, value_json)
    SELECT study_id, 'study:metric_names', %(metric_names)s FROM settings
    ON CONFLICT (study_id, key) DO UPDATE SET value_json = EXCLUDED.value_json
), queued AS (
    INSERT INTO trials (study_id, number, state)
    SELECT study_id,
        COALESCE((SELECT max(number) + 1 FROM trials t WHERE t.study_id = settings.study_id), 0) + place,
        'WAITING'
    FROM settings, generate_series(0, cardinality(%(points)s::text[]) - 1) AS place
    RETURNING study_id, trial_id, number
), fixed AS (
    INSERT INTO trial_system_attributes (trial_id, key, value_json)
    SELECT trial_id, 'fixed_params', (%(points)s::text[])[number - min(number) OVER () + 1] FROM queued
), event AS (
    INSERT INTO hpotool.events (study_id, kind, actor, to_state, reason)
    SELECT study_id, 'create', %(actor)s, 'running', 'warm start: ' || cardinality(%(points)s::text[]) FROM settings
)
SELECT EXISTS (SELECT FROM settings)
