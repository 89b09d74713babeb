-- Intermediate values.
-- Sent twice, it has the effect of once; a trial that is finished or deleted by now takes nothing more.
insert into trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)
select t.trial_id, w.step, w.value, w.type::trialintermediatevaluetype
from unnest(%(trial_ids)s::int[], %(keys)s::int[], %(values)s::float8[], %(extras)s::text[])
    with ordinality w (trial_id, step, value, type, n)
join trials t on t.trial_id = w.trial_id and t.state in ('RUNNING', 'WAITING')
order by w.n
on conflict (trial_id, step) do update set
    intermediate_value = excluded.intermediate_value,
    intermediate_value_type = excluded.intermediate_value_type
