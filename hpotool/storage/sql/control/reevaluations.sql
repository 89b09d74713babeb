-- Re-evaluations, which are trials beside the search: replicates that confirm a point, and final trainings.

-- name: queue_reevaluations
-- Queue re-evaluations, and store the order that they belong to. Existing ones, by their mark, are not queued again;
-- nothing is written if the stored order has changed since it was read. Returns the numbers of the queued trials.
-- include: lock_study
WITH settings AS (
    SELECT * FROM hpotool.study_settings
    WHERE study_id = %(study_id)s AND md5(confirmation::text) IS NOT DISTINCT FROM %(seen)s::text
), missing AS (
    SELECT point, mark, confirms, row_number() OVER (ORDER BY place) - 1 AS place
    FROM settings, unnest(%(points)s::text[], %(marks)s::text[], %(confirms)s::text[])
        WITH ORDINALITY given (point, mark, confirms, place)
    WHERE NOT EXISTS (
        SELECT FROM trial_system_attributes a JOIN trials t ON t.trial_id = a.trial_id
        WHERE a.key = 'hpotool:phase' AND a.trial_id >= settings.apart_from_id AND t.study_id = %(study_id)s
            AND a.value_json = mark)
), queued AS (
    INSERT INTO trials (study_id, number, state)
    SELECT %(study_id)s, COALESCE((SELECT max(number) + 1 FROM trials WHERE study_id = %(study_id)s), 0) + place, 'WAITING'
    FROM missing ORDER BY place
    RETURNING trial_id, number
), placed AS (
    SELECT trial_id, number, point, mark, confirms
    FROM (SELECT *, row_number() OVER (ORDER BY number) - 1 AS place FROM queued) q JOIN missing USING (place)
), marked AS (
    INSERT INTO trial_system_attributes (trial_id, key, value_json)
    SELECT trial_id, 'fixed_params', point FROM placed
    UNION ALL
    SELECT trial_id, 'hpotool:phase', mark FROM placed
), said AS (
    INSERT INTO trial_user_attributes (trial_id, key, value_json)
    SELECT trial_id, 'confirms', confirms FROM placed WHERE confirms IS NOT NULL
), ordered AS (
    UPDATE hpotool.study_settings s
    SET confirmation = COALESCE(%(order)s::jsonb, s.confirmation),
        apart_from_id = LEAST(s.apart_from_id, (SELECT min(trial_id) FROM queued))
    FROM settings WHERE s.study_id = settings.study_id
    RETURNING s.study_id
), event AS (
    INSERT INTO hpotool.events (study_id, kind, trial_id, number, actor, to_state, reason)
    SELECT %(study_id)s, %(kind)s, trial_id, number, %(actor)s, 'WAITING', %(reason)s FROM placed
)
SELECT EXISTS (SELECT FROM ordered), ARRAY(SELECT number FROM placed ORDER BY number)

-- name: read_order
-- The order of a confirmation, and its fingerprint.
SELECT confirmation, md5(confirmation::text) FROM hpotool.study_settings WHERE study_id = %(study_id)s

-- name: copy_order
-- Copy another study's order of a confirmation; its replicates are copied along with its trials.
UPDATE hpotool.study_settings
SET confirmation = (SELECT confirmation FROM hpotool.study_settings WHERE study_id = %(source_id)s)
WHERE study_id = %(study_id)s

-- name: read_reevaluations
-- The newest re-evaluation of each lineage: its state and values, the violation of each constraint, and the outcome
-- of its last attempt.
SELECT t.number, t.state::text, a.value_json,
    ARRAY(
        SELECT CASE value_type WHEN 'INF_POS' THEN 'Infinity' WHEN 'INF_NEG' THEN '-Infinity' ELSE value END
        FROM trial_values v WHERE v.trial_id = t.trial_id ORDER BY objective),
    (SELECT COALESCE(json_object_agg(c.key, c.value_json::float8), '{}') FROM trial_system_attributes c
     WHERE c.trial_id = t.trial_id AND c.key LIKE 'constraints:%%'),
    last.outcome, last.reason
FROM hpotool.study_settings settings
JOIN trial_system_attributes a ON a.key = 'hpotool:phase' AND a.trial_id >= settings.apart_from_id
JOIN trials t ON t.trial_id = a.trial_id AND t.study_id = settings.study_id
LEFT JOIN LATERAL (
    SELECT outcome, reason FROM hpotool.attempts x WHERE x.trial_id = t.trial_id ORDER BY started_at DESC LIMIT 1
) last ON true
WHERE settings.study_id = %(study_id)s
    AND NOT EXISTS (SELECT FROM hpotool.retries r WHERE r.previous_trial_id = t.trial_id)
ORDER BY t.number
