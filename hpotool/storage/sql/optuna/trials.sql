-- Creation, state and heartbeat of Optuna's trials.

-- name: create_trial
-- Create the next trial of a study, RUNNING, under the row lock that Optuna's own workers take.
-- The lock is a separate statement, so that the number is counted in a snapshot taken after waiting for it.
select 1 from studies where study_id = %(study_id)s for update;
insert into trials (number, study_id, state, datetime_start)
select
    coalesce((select max(number) + 1 from trials where study_id = %(study_id)s), 0),
    study_id, 'RUNNING', clock_timestamp() at time zone 'utc'
from studies where study_id = %(study_id)s
returning trial_id, number, datetime_start

-- name: content_of_created
-- All data of the trial in `created`. Continues a WITH.
), v as (
    insert into trial_values (trial_id, objective, value, value_type)
    select trial_id, n - 1, value, type::trialvaluetype
    from created, unnest(%(values)s::float8[], %(value_types)s::text[]) with ordinality w (value, type, n)
), p as (
    insert into trial_params (trial_id, param_name, param_value, distribution_json)
    select trial_id, name, value, distribution
    from created, unnest(%(param_names)s::text[], %(param_values)s::float8[], %(distributions)s::text[])
        with ordinality w (name, value, distribution, n)
    order by n
), i as (
    insert into trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)
    select trial_id, step, value, type::trialintermediatevaluetype
    from created, unnest(%(steps)s::int[], %(step_values)s::float8[], %(step_types)s::text[])
        with ordinality w (step, value, type, n)
    order by n
), u as (
    insert into trial_user_attributes (trial_id, key, value_json)
    select trial_id, key, value_json
    from created, unnest(%(user_keys)s::text[], %(user_values)s::text[]) with ordinality w (key, value_json, n)
    order by n
), s as (
    insert into trial_system_attributes (trial_id, key, value_json)
    select trial_id, key, value_json
    from created, unnest(%(system_keys)s::text[], %(system_values)s::text[]) with ordinality w (key, value_json, n)
    order by n

-- name: create_trial_from_template
-- Create a given trial (enqueued, or copied from elsewhere), with all its data.
select 1 from studies where study_id = %(study_id)s for update;
with created as (
    insert into trials (number, study_id, state, datetime_start, datetime_complete)
    select
        coalesce((select max(number) + 1 from trials where study_id = %(study_id)s), 0),
        study_id, %(state)s::trialstate, %(datetime_start)s::timestamp, %(datetime_complete)s::timestamp
    from studies where study_id = %(study_id)s
    returning trial_id, number
-- include: content_of_created
)
select trial_id, number from created

-- name: find_trial
-- The id of the trial with this number.
select trial_id from trials where study_id = %(study_id)s and number = %(number)s

-- name: without_reevaluations
-- Without the re-evaluations, where the reader does not want to see them.
and not (%(hides_reevaluations)s and exists (
    select from trial_system_attributes a where a.trial_id = t.trial_id and a.key = 'hpotool:phase'))

-- name: count_trials
-- The number of a study's trials in each state.
select state::text, count(*)
from trials t
where study_id = %(study_id)s
-- include: without_reevaluations
group by state

-- name: find_best_maximum
-- The complete trial with the highest first value.
select t.trial_id
from trials t join trial_values v on v.trial_id = t.trial_id and v.objective = 0
where t.study_id = %(study_id)s and t.state = 'COMPLETE'
-- include: without_reevaluations
order by case v.value_type when 'INF_NEG' then -1 when 'INF_POS' then 1 else 0 end desc, v.value desc, t.trial_id
limit 1

-- name: find_best_minimum
-- The complete trial with the lowest first value.
select t.trial_id
from trials t join trial_values v on v.trial_id = t.trial_id and v.objective = 0
where t.study_id = %(study_id)s and t.state = 'COMPLETE'
-- include: without_reevaluations
order by case v.value_type when 'INF_NEG' then -1 when 'INF_POS' then 1 else 0 end, v.value, t.trial_id
limit 1

-- name: read_state
-- The state of one trial.
select state::text from trials where trial_id = %(trial_id)s

-- name: set_state_and_values
-- Set values and state of an unfinished trial; returns its previous state, and when it finished.
select 1 from trials where trial_id = %(trial_id)s for update;
insert into trial_values (trial_id, objective, value, value_type)
select t.trial_id, n - 1, value, type::trialvaluetype
from trials t, unnest(%(values)s::float8[], %(value_types)s::text[]) with ordinality w (value, type, n)
where t.trial_id = %(trial_id)s and t.state in ('RUNNING', 'WAITING')
on conflict (trial_id, objective) do update set value = excluded.value, value_type = excluded.value_type;
with changed as (
    update trials set
        state = %(state)s::trialstate,
        datetime_complete = case when %(finished)s then clock_timestamp() at time zone 'utc' end
    where trial_id = %(trial_id)s and state in ('RUNNING', 'WAITING')
    returning datetime_complete
)
select state::text, (select datetime_complete from changed) from trials where trial_id = %(trial_id)s

-- name: start_waiting_trial
-- Take a WAITING trial; returns its previous row, and when it started if it was still WAITING.
select 1 from trials where trial_id = %(trial_id)s for update;
with started as (
    update trials set state = 'RUNNING', datetime_start = clock_timestamp() at time zone 'utc'
    where trial_id = %(trial_id)s and state = 'WAITING'
    returning datetime_start
)
select
-- include: trial_columns
, (select datetime_start from started)
from trials t
-- include: trial_children
 where t.trial_id = %(trial_id)s

-- name: record_heartbeat
-- A trial's heartbeat. Optuna stores it in the session's time zone.
insert into trial_heartbeats (trial_id, heartbeat) values (%(trial_id)s, current_timestamp)
on conflict (trial_id) do update set heartbeat = current_timestamp

-- name: find_stale_trials
-- RUNNING trials that have sent a heartbeat, but none within the grace period.
select t.trial_id
from trials t join trial_heartbeats h on h.trial_id = t.trial_id
where t.study_id = %(study_id)s and t.state = 'RUNNING'
and h.heartbeat < current_timestamp::timestamp - make_interval(secs => %(grace_s)s)
order by t.trial_id
