-- Studies with their settings.

-- name: create_study
-- Create a study with its settings and its warm start, or give a study of plain Optuna its settings; all or nothing.
-- If several processes do this, the first one writes, and the others change nothing.
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
    -- A study of plain Optuna that was, for example, only paused has a row without settings.
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

-- name: adopt_study
-- A study of plain Optuna gets its settings row: no budget, running.
INSERT INTO hpotool.study_settings (study_id) VALUES (%(study_id)s) ON CONFLICT (study_id) DO NOTHING

-- name: read_settings
-- The stored settings of a study.
SELECT study_id, spec, spec_hash, versions, budget_trials, state, state_reason, md5(spec::text)
FROM hpotool.study_settings WHERE study_id = %(study_id)s

-- name: write_settings
-- Store a study's settings, unless they have changed since they were read; the event says what. The state done refers to the old budget and is
-- reset; every other state is kept.
WITH settings AS (
    INSERT INTO hpotool.study_settings (study_id, spec, spec_hash, versions, budget_trials, branch_places)
    VALUES (%(study_id)s, %(spec)s::jsonb, %(spec_hash)s, %(versions)s::jsonb, %(budget_trials)s, %(branch_places)s)
    ON CONFLICT (study_id) DO UPDATE
    SET spec = EXCLUDED.spec, spec_hash = EXCLUDED.spec_hash, versions = EXCLUDED.versions,
        budget_trials = EXCLUDED.budget_trials, branch_places = EXCLUDED.branch_places,
        state = CASE study_settings.state WHEN 'done' THEN 'running' ELSE study_settings.state END,
        state_reason = CASE study_settings.state WHEN 'done' THEN '' ELSE study_settings.state_reason END
    WHERE %(seen)s::text IS NULL OR md5(study_settings.spec::text) = %(seen)s::text
    RETURNING study_id
), event AS (
    INSERT INTO hpotool.events (study_id, kind, actor, reason)
    SELECT study_id, 'settings', %(actor)s, %(reason)s FROM settings
)
SELECT EXISTS (SELECT FROM settings)

-- name: set_state
-- Set a study's state, with an event that says who did it and why. Writes nothing if it already has that state, or
-- if it is done and has no trial that an order could still concern.
WITH before AS (
    SELECT study_id, state FROM hpotool.study_settings WHERE study_id = %(study_id)s FOR UPDATE
), changed AS (
    UPDATE hpotool.study_settings s
    SET state = %(state)s, state_reason = %(reason)s, state_changed_at = clock_timestamp()
    FROM before
    WHERE s.study_id = before.study_id AND before.state <> %(state)s
        AND (%(only_from)s::text IS NULL OR before.state = %(only_from)s)
        AND (before.state <> 'done' OR %(state)s = 'running' OR EXISTS (
            SELECT FROM trials t WHERE t.study_id = before.study_id AND t.state IN ('RUNNING', 'WAITING')))
    RETURNING s.study_id, before.state AS from_state
), event AS (
    INSERT INTO hpotool.events (study_id, kind, actor, from_state, to_state, reason)
    SELECT study_id, 'state', %(actor)s, from_state, %(state)s, %(reason)s FROM changed
)
SELECT EXISTS (SELECT FROM changed), state FROM before

-- name: count_budget
-- The budget, counted as in a claim; works without a settings row, for studies of plain Optuna.
WITH settings AS (
    SELECT COALESCE(s.settled_below, 0) AS settled_below, COALESCE(s.failed_below, 0) AS failed_below,
        COALESCE(s.imported_trials, 0) AS imported_trials, s.apart_from_id
    FROM (SELECT) one LEFT JOIN hpotool.study_settings s ON s.study_id = %(study_id)s
-- include: places
)
SELECT finished, running, waiting, failed, replicates_open FROM places

-- name: list_studies
-- A summary of every study, in order of creation: directions, metric names, trials per state, and the trials beside the
-- search per state.
SELECT s.study_name,
    (SELECT array_agg(d.direction::text ORDER BY d.objective) FROM study_directions d WHERE d.study_id = s.study_id),
    (SELECT a.value_json FROM study_system_attributes a
     WHERE a.study_id = s.study_id AND a.key = 'study:metric_names'),
    (SELECT json_object_agg(state, n) FROM (
        SELECT state::text, count(*) AS n FROM trials t
        WHERE t.study_id = s.study_id AND NOT EXISTS (
            SELECT FROM trial_system_attributes a WHERE a.trial_id = t.trial_id AND a.key = 'hpotool:phase')
        GROUP BY state) AS counts),
    (SELECT json_object_agg(state, n) FROM (
        SELECT state::text, count(*) AS n FROM trials t JOIN trial_system_attributes a ON a.trial_id = t.trial_id
        WHERE t.study_id = s.study_id AND a.key = 'hpotool:phase'
        GROUP BY state) AS counts),
    EXISTS (SELECT FROM study_system_attributes a WHERE a.study_id = s.study_id AND a.key = 'hpotool:archived')
FROM studies s
WHERE %(study_name)s IS NULL OR s.study_name = %(study_name)s
ORDER BY s.study_id

-- name: study_progress
-- A study's progress and workers: state, reason, budget, copied trials, the workers that have not ended, the warning
-- about its pruner, its tiers, its pruner's name, and how many workers its pool has, whichever study they serve.
SELECT settings.state, settings.state_reason, settings.budget_trials, settings.imported_trials,
    (SELECT COALESCE(json_agg(json_build_object(
        'id', w.worker_id, 'host', w.host, 'pid', w.pid, 'slot', w.slot, 'trial', a.number,
        'waits', COALESCE(w.waits, hpotool.quarantine_of(w.study_id, w.worker_id)), 'last_beat_s', round(GREATEST(0, extract(epoch FROM clock_timestamp() - w.last_beat))::numeric, 1))
        ORDER BY w.registered_at), '[]')
     FROM hpotool.workers w
     LEFT JOIN hpotool.attempts a ON a.worker_id = w.worker_id AND a.ended_at IS NULL AND a.study_id = w.study_id
     WHERE w.study_id = settings.study_id AND w.ended_at IS NULL),
    (SELECT value_json FROM study_system_attributes a
     WHERE a.study_id = settings.study_id AND a.key = 'hpotool:pruner_mismatch'),
    COALESCE(settings.spec -> 'tiers', '[]'),
    settings.spec -> 'pruner' ->> 'name',
    (SELECT count(*) FROM hpotool.workers w WHERE w.pool = settings.pool AND w.ended_at IS NULL
        AND w.last_beat > clock_timestamp() - make_interval(secs => %(gone_after_s)s))
FROM hpotool.study_settings settings
JOIN studies s USING (study_id)
WHERE s.study_name = %(study_name)s

-- name: lineage_states
-- The states of the trials of each lineage of a study, which determine whether its checkpoints are needed.
SELECT COALESCE((SELECT a.value_json::integer FROM trial_system_attributes a
                 WHERE a.trial_id = t.trial_id AND a.key = 'failed_trial'), t.number) AS root,
    array_agg(DISTINCT t.state::text)
FROM trials t JOIN studies s USING (study_id)
WHERE s.study_name = %(study_name)s
GROUP BY root

-- name: has_replicates
-- Whether trials of the same point are replicates, compared by their mean.
SELECT spec->>'duplicates' = 'replicate'
FROM hpotool.study_settings JOIN studies USING (study_id)
WHERE study_name = %(study_name)s


-- name: rename_study
-- Rename a study everywhere. No row if the name is taken, or the settings have changed since they were read.
-- The locks are separate statements, so that the next one sees settings that somebody has changed meanwhile.
SELECT FROM studies WHERE study_id = %(study_id)s FOR UPDATE;
SELECT FROM hpotool.study_settings WHERE study_id = %(study_id)s FOR UPDATE;
WITH renamed AS (
    UPDATE studies SET study_name = %(name)s
    WHERE study_id = %(study_id)s
        AND NOT EXISTS (SELECT FROM studies WHERE study_name = %(name)s)
        AND (SELECT md5(spec::text) FROM hpotool.study_settings WHERE study_id = %(study_id)s)
            IS NOT DISTINCT FROM %(seen)s::text
    RETURNING study_id
), settings AS (
    UPDATE hpotool.study_settings SET spec = %(spec)s::jsonb, spec_hash = %(spec_hash)s
    FROM renamed WHERE study_settings.study_id = renamed.study_id
), origins AS (
    -- The origin of trials that other studies copied from this one, so that copying again still adds nothing.
    UPDATE trial_system_attributes
    SET value_json = %(new_origin)s::text || substr(value_json, length(%(old_origin)s::text) + 1)
    FROM renamed
    WHERE key = 'hpotool:taken_from' AND starts_with(value_json, %(old_origin)s::text)
), event AS (
    INSERT INTO hpotool.events (study_id, kind, actor, reason)
    SELECT study_id, 'rename', %(actor)s, %(reason)s FROM renamed
)
SELECT study_id FROM renamed


-- name: delete_study_attributes
-- Remove system attributes of a study.
DELETE FROM study_system_attributes WHERE study_id = %(study_id)s AND key = ANY(%(keys)s)

-- name: note_event
-- Log that a study or trial was given a note; no event for a study that hpotool has never used.
INSERT INTO hpotool.events (study_id, kind, trial_id, number, actor, to_state)
SELECT study_id, 'note', (SELECT trial_id FROM trials t WHERE t.study_id = s.study_id AND t.number = %(number)s),
    %(number)s, %(actor)s, %(to)s
FROM hpotool.study_settings s WHERE study_id = %(study_id)s

-- name: change_trial_tags
-- Set and remove tags of a trial in one step, so that concurrent changes do not undo each other. Returns its tags; no
-- row if there is no such trial.
INSERT INTO trial_system_attributes AS a (trial_id, key, value_json)
SELECT trial_id, 'hpotool:tags', %(set)s FROM trials WHERE study_id = %(study_id)s AND number = %(number)s
ON CONFLICT (trial_id, key) DO UPDATE
SET value_json = ((a.value_json::jsonb || EXCLUDED.value_json::jsonb) - %(removed)s::text[])::text
RETURNING value_json

-- name: read_trial_tags
-- The tags of a trial; no row if there is no such trial.
SELECT (SELECT value_json FROM trial_system_attributes a WHERE a.trial_id = t.trial_id AND key = 'hpotool:tags')
FROM trials t WHERE study_id = %(study_id)s AND number = %(number)s

-- name: tags_of_studies
-- The tags of every study, by its name.
SELECT study_name, spec -> 'tags' FROM studies JOIN hpotool.study_settings USING (study_id) WHERE spec IS NOT NULL
