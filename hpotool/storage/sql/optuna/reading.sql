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

-- name: history_columns
-- A trial in the form for the first read. Parameters are numbers of eight bytes each, with a hash of names and
-- distributions, which are queried once for each combination instead of read with each trial.
t.trial_id, t.number, t.state::text, t.datetime_start, t.datetime_complete,
    v.values, p.hashes, p.packed, u.keys, u.values, s.keys, s.values, l.step, l.value

-- name: history_children
-- The data of one trial for the first read.
left join lateral (
    select
        string_agg(int8send(hashtextextended(param_name || ' ' || distribution_json, 0)), '' order by param_id),
        string_agg(float8send(coalesce(param_value, 'NaN')), '' order by param_id)
    from trial_params c where c.trial_id = t.trial_id
) p (hashes, packed) on true
-- include: values_of_trial
-- include: attributes_of_trial
-- include: last_step_of_trial

-- name: read_history
-- Many trials of a study in order of id.
select
-- include: history_columns
from (
    select * from trials where study_id = %(study_id)s and trial_id > %(after)s order by trial_id limit %(limit)s
) t
-- include: history_children
order by t.trial_id

-- name: read_chosen
-- Some finished trials, in order of id.
select
-- include: history_columns
from trials t
-- include: history_children
where t.trial_id = any(%(trial_ids)s::int[]) and t.state not in ('RUNNING', 'WAITING')
order by t.trial_id

-- name: find_numbered
-- The ids of the trials with these numbers.
select trial_id from trials where study_id = %(study_id)s and number = any(%(numbers)s::int[])

-- name: read_directions
-- The direction of each objective.
select direction::text from study_directions where study_id = %(study_id)s order by objective

-- name: count_numbers
-- How many trial numbers a study has given out.
select coalesce(max(number) + 1, 0) from trials where study_id = %(study_id)s and number is not null

-- name: first_open
-- The lowest id of a trial that may still finish: of those that have not, or else the next one.
select coalesce(
    (select min(trial_id) from trials where study_id = %(study_id)s and state in ('RUNNING', 'WAITING')),
    (select trial_id + 1 from trials where study_id = %(study_id)s and number is not null
     order by number desc limit 1), 0)

-- name: find_window
-- Where the trials from a number on begin: the lowest id among them, and the ids below it of trials that have not ended.
with newest as (
    select min(trial_id) as first_id
    from trials where study_id = %(study_id)s and number is not null and number >= %(number)s
)
select first_id, array(
    select trial_id from trials
    where study_id = %(study_id)s and state in ('RUNNING', 'WAITING') and trial_id < first_id)
from newest

-- name: read_values
-- The values of a study's complete trials from an id on, by objective: ids and numbers of four bytes, values of eight, in
-- network byte order and in the same order.
select v.objective, string_agg(int4send(t.trial_id), ''), string_agg(int4send(t.number), ''),
    string_agg(float8send(
        case v.value_type when 'INF_POS' then 'Infinity' when 'INF_NEG' then '-Infinity' else v.value end), '')
from trials t join trial_values v on v.trial_id = t.trial_id
where t.study_id = %(study_id)s and t.state = 'COMPLETE' and t.trial_id >= %(from_id)s
-- include: without_reevaluations
group by v.objective
order by v.objective

-- name: read_infeasible
-- The complete trials from an id on that violate a constraint, as Optuna stores it now or stored it before version 5.
select t.trial_id
from trials t join trial_system_attributes a on a.trial_id = t.trial_id and starts_with(a.key, 'constraints')
where t.study_id = %(study_id)s and t.state = 'COMPLETE' and t.trial_id >= %(from_id)s
group by t.trial_id
having bool_or(case
    when starts_with(a.key, 'constraints:') then a.value_json::float8 > 0
    when a.key = 'constraints' then exists (
        select from regexp_split_to_table(btrim(a.value_json, '[] '), '\s*,\s*') violation
        where violation not in ('', 'null') and violation::float8 > 0)
    else false end)

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
