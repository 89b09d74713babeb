-- A trial's values, by objective.
left join lateral (
    select array_agg(
        case value_type when 'INF_POS' then 'Infinity' when 'INF_NEG' then '-Infinity' else value end
        order by objective
    ) from trial_values c where c.trial_id = t.trial_id
) v (values) on true
