-- What does not fit between the pruner and what the objective reports: noted once per study, whoever sees it first.
WITH noted AS (
    INSERT INTO study_system_attributes (study_id, key, value_json)
    VALUES (%(study_id)s, 'hpotool:pruner_mismatch', %(mismatch)s)
    ON CONFLICT (study_id, key) DO NOTHING
    RETURNING study_id
)
INSERT INTO hpotool.events (study_id, kind, actor, reason)
SELECT study_id, 'pruner', %(actor)s, %(reason)s FROM noted
