-- What the user and Optuna wrote about a trial: keys and JSON texts, in the order in which they were written.
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
