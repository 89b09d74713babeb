-- Results of other studies that a trial may reuse instead of running (`reuse: true`).

-- name: find_reusable
-- Complete trials of other studies with the same code, data and seed (seeds are equal if the study's seed and the number
-- of the lineage's first trial are). The caller compares objective and point. Uses the attempts' index on study and
-- first number, so it reads at most one lineage of each study.
SELECT s.study_name, t.number, o.spec, a.reason,
    (SELECT json_agg(json_build_array(value, value_type) ORDER BY objective) FROM trial_values v
     WHERE v.trial_id = t.trial_id),
    (SELECT json_agg(json_build_array(param_name, param_value, distribution_json) ORDER BY param_id) FROM trial_params p
     WHERE p.trial_id = t.trial_id),
    (SELECT json_agg(json_build_array(step, intermediate_value, intermediate_value_type) ORDER BY step)
     FROM trial_intermediate_values i WHERE i.trial_id = t.trial_id),
    (SELECT json_object_agg(key, value_json) FROM trial_user_attributes u WHERE u.trial_id = t.trial_id),
    (SELECT json_object_agg(key, value_json) FROM trial_system_attributes y WHERE y.trial_id = t.trial_id)
FROM hpotool.study_settings o
JOIN studies s ON s.study_id = o.study_id
JOIN hpotool.attempts a ON a.study_id = o.study_id AND a.root_number = %(root_number)s
JOIN trials t ON t.trial_id = a.trial_id
WHERE o.study_id <> %(study_id)s AND o.spec -> 'sampler' -> 'seed' = to_jsonb(%(seed)s::bigint)
    AND a.outcome = 'complete' AND t.state = 'COMPLETE'
    AND a.code_hash = %(code_hash)s AND a.data_hash IS NOT DISTINCT FROM %(data_hash)s
    AND NOT EXISTS (SELECT FROM trial_system_attributes y WHERE y.trial_id = t.trial_id
        AND y.key IN ('hpotool:phase', 'hpotool:branch', 'hpotool:taken_from'))
ORDER BY a.ended_at LIMIT 20
