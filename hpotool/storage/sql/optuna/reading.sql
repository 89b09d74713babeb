-- Reading trials with all their data into the memory of a worker.

-- name: trial_columns
-- A trial's row in the form for hpotool.storage.optuna.decoding.
t.trial_id, t.study_id, t.number, t.state::text, t.datetime_start, t.datetime_complete,
v.values, p.names, p.values, p.distributions, u.keys, u.values, s.keys, s.values,
i.steps, i.values, l.step, l.value

-- name: values_of_trial
-- A trial's values, by objective.
left join lateral (
    select array_agg(
        case value_type when 'INF_POS' then 'Infinity' when 'INF_NEG' then '-Infinity' else value end
        order by objective
    ) from trial_values c where c.trial_id = t.trial_id
) v (values) on true

-- name: attributes_of_trial
-- A trial's user and system attributes: keys and JSON texts, in the order of writing.
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

-- name: step_value
-- An intermediate value as a float.
case intermediate_value_type
    when 'INF_POS' then 'Infinity' when 'INF_NEG' then '-Infinity' when 'NAN' then 'NaN' else intermediate_value
end

-- name: last_step_of_trial
-- The last intermediate value of a finished trial, which samplers need.
left join lateral (
    select step,
-- include: step_value
    from trial_intermediate_values c
    where c.trial_id = t.trial_id and t.state not in ('RUNNING', 'WAITING')
    order by step desc limit 1
) l (step, value) on true

-- name: trial_children
-- The data of one trial, in the order of writing. For an unfinished trial, all intermediate values are read; for a
-- finished one, only the last, unless all are requested.
-- include: values_of_trial
left join lateral (
    select
        array_agg(param_name::text order by param_id),
        array_agg(coalesce(param_value, 'NaN') order by param_id),
        array_agg(distribution_json order by param_id)
    from trial_params c where c.trial_id = t.trial_id
) p (names, values, distributions) on true
-- include: attributes_of_trial
left join lateral (
    select array_agg(step order by trial_intermediate_value_id), array_agg(
-- include: step_value
 order by trial_intermediate_value_id)
    from trial_intermediate_values c where c.trial_id = t.trial_id and (%(with_steps)s or t.state in ('RUNNING', 'WAITING'))
) i (steps, values) on true
-- include: last_step_of_trial

-- name: read_trial
-- One trial.
select
-- include: trial_columns
 from trials t
-- include: trial_children
 where t.trial_id = %(trial_id)s

-- name: read_waiting
-- The waiting trials of a study, oldest first.
select
-- include: trial_columns
from (select * from trials where study_id = %(study_id)s and state = 'WAITING') t
-- include: trial_children
order by t.trial_id

-- name: read_history
-- Many trials of a study in order of id, for the first read. Parameters are numbers of eight bytes each, with a hash of
-- names and distributions, which are queried once for each combination instead of read with each trial.
select t.trial_id, t.number, t.state::text, t.datetime_start, t.datetime_complete,
    v.values, p.hashes, p.packed, u.keys, u.values, s.keys, s.values, l.step, l.value
from (
    select * from trials where study_id = %(study_id)s and trial_id > %(after)s order by trial_id limit %(limit)s
) t
left join lateral (
    select
        string_agg(int8send(hashtextextended(param_name || ' ' || distribution_json, 0)), '' order by param_id),
        string_agg(float8send(coalesce(param_value, 'NaN')), '' order by param_id)
    from trial_params c where c.trial_id = t.trial_id
) p (hashes, packed) on true
-- include: values_of_trial
-- include: attributes_of_trial
-- include: last_step_of_trial
order by t.trial_id

-- name: read_changes
-- Changes in a study since the last read: new trials, trials that were committed late, other processes' trials that were
-- RUNNING, and trials of this process (RUNNING) and of the queue (WAITING) whose state has changed.
select
-- include: trial_columns
from (
    (select * from trials where trial_id > %(after)s and study_id = %(study_id)s order by trial_id limit %(limit)s)
    union all
    select * from trials
    where study_id = %(study_id)s and number = any(%(missing)s::int[]) and trial_id <= %(known)s
    union all
    select * from trials where trial_id = any(%(running)s::int[]) and trial_id <= %(known)s
    union all
    select * from trials where trial_id = any(%(own)s::int[]) and trial_id <= %(known)s and state <> 'RUNNING'
    union all
    select * from trials where trial_id = any(%(waiting)s::int[]) and trial_id <= %(known)s and state <> 'WAITING'
) t
-- include: trial_children
order by t.trial_id

-- name: read_params
-- Names and distributions of the parameters of some trials.
select trial_id, array_agg(param_name::text order by param_id), array_agg(distribution_json order by param_id)
from trial_params
where trial_id = any(%(trial_ids)s::int[])
group by trial_id

-- name: read_steps
-- All intermediate values of some trials.
select trial_id, array_agg(step order by trial_intermediate_value_id),
    array_agg(
-- include: step_value
 order by trial_intermediate_value_id)
from trial_intermediate_values
where trial_id = any(%(trial_ids)s::int[])
group by trial_id

-- name: read_step_columns
-- The intermediate values of many trials together, by step: eight bytes each, in network byte order.
select step, string_agg(float8send(
-- include: step_value
), '')
from trial_intermediate_values
where trial_id = any(%(trial_ids)s::int[])
group by step
order by step

-- name: find_distribution
-- The first distribution of a parameter in a study.
select p.distribution_json
from trials t join trial_params p on p.trial_id = t.trial_id and p.param_name = %(name)s
where t.study_id = %(study_id)s
limit 1
