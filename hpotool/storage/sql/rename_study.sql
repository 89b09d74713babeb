-- Give a study another name, wherever it stands. No row where the name is taken, or where other settings are stored
-- than were seen.
SELECT FROM studies WHERE study_id = %(study_id)s FOR UPDATE;
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
    -- What other studies took over from this one, so that taking it over again still adds nothing.
    UPDATE trial_system_attributes
    SET value_json = %(new_origin)s::text || substr(value_json, length(%(old_origin)s::text) + 1)
    FROM renamed
    WHERE key = 'hpotool:taken_from' AND starts_with(value_json, %(old_origin)s::text)
), event AS (
    INSERT INTO hpotool.events (study_id, kind, actor, reason)
    SELECT study_id, 'rename', %(actor)s, %(reason)s FROM renamed
)
SELECT study_id FROM renamed
