-- Names and distributions of the parameters of some trials.
select trial_id, array_agg(param_name::text order by param_id), array_agg(distribution_json order by param_id)
from trial_params
where trial_id = any(%(trial_ids)s::int[])
group by trial_id
