-- The finished trials from an id on, in the order in which they finished, and the lowest id that is still open.
-- A trial is feasible where no constraint is above zero, as Optuna defines it.
SELECT
    t.trial_id,
    t.state = 'COMPLETE',
    ARRAY(
        SELECT CASE value_type WHEN 'INF_POS' THEN 'Infinity' WHEN 'INF_NEG' THEN '-Infinity' ELSE value END
        FROM trial_values v WHERE v.trial_id = t.trial_id ORDER BY objective),
    NOT EXISTS (
        SELECT FROM trial_system_attributes a
        WHERE a.trial_id = t.trial_id AND a.key LIKE 'constraints:%%' AND a.value_json::float8 > 0),
    (SELECT min(trial_id) FROM trials WHERE study_id = %(study_id)s AND state IN ('RUNNING', 'WAITING'))
FROM trials t
WHERE t.study_id = %(study_id)s AND t.trial_id >= %(from_id)s AND t.state IN ('COMPLETE', 'PRUNED')
ORDER BY t.datetime_complete, t.trial_id
