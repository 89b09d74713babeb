-- What belongs to one trial, in the order in which it was written. All intermediate values are read of a trial
-- that is not finished; of a finished one only the last, which is what samplers ask for, unless all are wanted.
left join lateral (
    select array_agg(
        case value_type when 'INF_POS' then 'Infinity' when 'INF_NEG' then '-Infinity' else value end
        order by objective
    ) from trial_values c where c.trial_id = t.trial_id
) v (values) on true
left join lateral (
    select
        array_agg(param_name::text order by param_id),
        array_agg(coalesce(param_value, 'NaN') order by param_id),
        array_agg(distribution_json order by param_id)
    from trial_params c where c.trial_id = t.trial_id
) p (names, values, distributions) on true
left join lateral (
    select
        array_agg(key::text order by trial_user_attribute_id),
        array_agg(value_json order by trial_user_attribute_id)
    from trial_user_attributes c where c.trial_id = t.trial_id
) u (keys, values) on true
left join lateral (
    select
        array_agg(key::text order by trial_system_attribute_id),
        array_agg(value_json order by trial_system_attribute_id)
    from trial_system_attributes c where c.trial_id = t.trial_id
) s (keys, values) on true
left join lateral (
    select array_agg(step order by trial_intermediate_value_id), array_agg(
-- include: optuna/step_value
 order by trial_intermediate_value_id)
    from trial_intermediate_values c where c.trial_id = t.trial_id and (%(with_steps)s or t.state in ('RUNNING', 'WAITING'))
) i (steps, values) on true
left join lateral (
    select step,
-- include: optuna/step_value
    from trial_intermediate_values c
    where c.trial_id = t.trial_id and t.state not in ('RUNNING', 'WAITING')
    order by step desc limit 1
) l (step, value) on true
