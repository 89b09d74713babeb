-- Parameters; the first value of a name stays.
-- Sent twice, it has the effect of once; a trial that is finished or deleted by now takes nothing more.
insert into trial_params (trial_id, param_name, param_value, distribution_json)
select t.trial_id, w.name, w.value, w.distribution
from unnest(%(trial_ids)s::int[], %(keys)s::text[], %(values)s::float8[], %(extras)s::text[])
    with ordinality w (trial_id, name, value, distribution, n)
join trials t on t.trial_id = w.trial_id and t.state in ('RUNNING', 'WAITING')
order by w.n
on conflict (trial_id, param_name) do nothing
