-- Store what a study is, unless somebody has stored something else than was seen. Done is a verdict on the old budget,
-- so it ends here; every other state stays.
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
    SELECT study_id, 'settings', %(actor)s, 'budget.trials: ' || COALESCE(%(budget_trials)s::text, 'none') FROM settings
)
SELECT EXISTS (SELECT FROM settings)
