-- The intermediate values of many trials together, by step: eight bytes each, in network order.
select step, string_agg(float8send(
-- include: optuna/step_value
), '')
from trial_intermediate_values
where trial_id = any(%(trial_ids)s::int[])
group by step
order by step
