-- The last intermediate value of a finished trial, which is what samplers ask for.
left join lateral (
    select step,
-- include: optuna/step_value
    from trial_intermediate_values c
    where c.trial_id = t.trial_id and t.state not in ('RUNNING', 'WAITING')
    order by step desc limit 1
) l (step, value) on true
