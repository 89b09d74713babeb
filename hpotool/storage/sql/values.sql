-- The values of the trial in `ended`, as Optuna stores them: infinities are a type without a number.
), told AS (
    INSERT INTO trial_values (trial_id, objective, value, value_type)
    SELECT ended.trial_id, v.objective, v.value, v.value_type::trialvaluetype
    FROM ended, unnest(%(objectives)s::integer[], %(values)s::double precision[], %(value_types)s::text[])
        AS v (objective, value, value_type)
    ON CONFLICT (trial_id, objective) DO UPDATE SET value = EXCLUDED.value, value_type = EXCLUDED.value_type
