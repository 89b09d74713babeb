-- The statements of the write buffer, one for each kind of data.

-- name: write_params
-- Parameters; the first value of a name is kept.
-- Idempotent; ignored if the trial has been finished or deleted.
insert into trial_params (trial_id, param_name, param_value, distribution_json)
select t.trial_id, w.name, w.value, w.distribution
from unnest(%(trial_ids)s::int[], %(keys)s::text[], %(values)s::float8[], %(extras)s::text[])
    with ordinality w (trial_id, name, value, distribution, n)
join trials t on t.trial_id = w.trial_id and t.state in ('RUNNING', 'WAITING')
order by w.n
on conflict (trial_id, param_name) do nothing

-- name: write_steps
-- Intermediate values.
-- Idempotent; ignored if the trial has been finished or deleted.
insert into trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)
select t.trial_id, w.step, w.value, w.type::trialintermediatevaluetype
from unnest(%(trial_ids)s::int[], %(keys)s::int[], %(values)s::float8[], %(extras)s::text[])
    with ordinality w (trial_id, step, value, type, n)
join trials t on t.trial_id = w.trial_id and t.state in ('RUNNING', 'WAITING')
order by w.n
on conflict (trial_id, step) do update set
    intermediate_value = excluded.intermediate_value,
    intermediate_value_type = excluded.intermediate_value_type

-- name: write_user_attrs
-- User attributes of a trial.
-- Idempotent; ignored if the trial has been finished or deleted.
insert into trial_user_attributes (trial_id, key, value_json)
select t.trial_id, w.key, w.value_json
from unnest(%(trial_ids)s::int[], %(keys)s::text[], %(values)s::text[]) with ordinality w (trial_id, key, value_json, n)
join trials t on t.trial_id = w.trial_id and t.state in ('RUNNING', 'WAITING')
order by w.n
on conflict (trial_id, key) do update set value_json = excluded.value_json

-- name: write_system_attrs
-- System attributes of a trial.
-- Idempotent; ignored if the trial has been finished or deleted.
insert into trial_system_attributes (trial_id, key, value_json)
select t.trial_id, w.key, w.value_json
from unnest(%(trial_ids)s::int[], %(keys)s::text[], %(values)s::text[]) with ordinality w (trial_id, key, value_json, n)
join trials t on t.trial_id = w.trial_id and t.state in ('RUNNING', 'WAITING')
order by w.n
on conflict (trial_id, key) do update set value_json = excluded.value_json
