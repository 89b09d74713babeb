-- What belongs to one trial, in the order in which it was written. All intermediate values are read of a trial
-- that is not finished; of a finished one only the last, unless all are wanted.
-- include: optuna/values_of_trial
left join lateral (
    select
        array_agg(param_name::text order by param_id),
        array_agg(coalesce(param_value, 'NaN') order by param_id),
        array_agg(distribution_json order by param_id)
    from trial_params c where c.trial_id = t.trial_id
) p (names, values, distributions) on true
-- include: optuna/attributes_of_trial
left join lateral (
    select array_agg(step order by trial_intermediate_value_id), array_agg(
-- include: optuna/step_value
 order by trial_intermediate_value_id)
    from trial_intermediate_values c where c.trial_id = t.trial_id and (%(with_steps)s or t.state in ('RUNNING', 'WAITING'))
) i (steps, values) on true
-- include: optuna/last_step_of_trial
