-- All intermediate values of some trials.
select trial_id, array_agg(step order by trial_intermediate_value_id),
    array_agg(
-- include: optuna/step_value
 order by trial_intermediate_value_id)
from trial_intermediate_values
where trial_id = any(%(trial_ids)s::int[])
group by trial_id
