-- What an attempt itself knows goes to the trial in `ended`: its own, or the retry that its late result completes, which
-- keeps what was written when it was queued.
), params AS (
    INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
    SELECT ended.trial_id, p.name, p.value, p.distribution
    FROM ended, unnest(%(param_names)s::text[], %(param_values)s::double precision[], %(distributions)s::text[])
        AS p (name, value, distribution)
    ON CONFLICT (trial_id, param_name) DO NOTHING
), intermediate AS (
    INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)
    SELECT ended.trial_id, v.step, v.value, v.value_type::trialintermediatevaluetype
    FROM ended, unnest(%(steps)s::integer[], %(step_values)s::double precision[], %(step_types)s::text[])
        AS v (step, value, value_type)
    ON CONFLICT (trial_id, step) DO UPDATE SET
        intermediate_value = EXCLUDED.intermediate_value,
        intermediate_value_type = EXCLUDED.intermediate_value_type
), user_attributes AS (
    INSERT INTO trial_user_attributes (trial_id, key, value_json)
    SELECT ended.trial_id, a.key, a.value FROM ended, unnest(%(keys)s::text[], %(json_values)s::text[]) AS a (key, value)
    ON CONFLICT (trial_id, key) DO UPDATE SET value_json = EXCLUDED.value_json
), system_attributes AS (
    INSERT INTO trial_system_attributes (trial_id, key, value_json)
    SELECT ended.trial_id, a.key, a.value
    FROM ended, unnest(%(system_keys)s::text[], %(system_json_values)s::text[]) AS a (key, value)
    ON CONFLICT (trial_id, key) DO UPDATE SET value_json = EXCLUDED.value_json WHERE %(is_own_trial)s
