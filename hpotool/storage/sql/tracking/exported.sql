-- A study and its trials as exporters send them.

-- name: study_to_export
-- A study and its progress, counted as in a claim.
WITH settings AS (
    SELECT * FROM hpotool.study_settings WHERE study_id = %(study_id)s
-- include: places
)
SELECT s.study_name, state, state_reason, spec, budget_trials, extract(epoch FROM created_at)::float8,
    extract(epoch FROM state_changed_at)::float8,
    (SELECT array_agg(direction::text ORDER BY objective) FROM study_directions d WHERE d.study_id = s.study_id),
    (SELECT value_json FROM study_system_attributes a WHERE a.study_id = s.study_id AND a.key = 'study:metric_names'),
    (SELECT json_object_agg(key, value_json) FROM study_system_attributes a
        WHERE a.study_id = s.study_id AND starts_with(a.key, 'dashboard:note_str:')),
    finished, running, waiting, failed, running_in_all - running, next_replicate IS NOT NULL
FROM settings JOIN studies s USING (study_id), places

-- name: attempts_of_trial
-- The attempts of a trial as JSON, oldest first.
left join lateral (
    select json_agg(json_build_object(
        'worker', a.worker_id, 'host', a.host, 'slot', a.slot, 'outcome', a.outcome, 'reason', a.reason,
        'duration_s', round(greatest(0, extract(epoch from coalesce(a.ended_at, clock_timestamp()) - a.started_at))::numeric, 3),
        'gpu', a.gpu, 'code', a.code_hash, 'data', a.data_hash, 'environment', w.environment_hash) order by a.started_at)
    from hpotool.attempts a left join hpotool.workers w using (worker_id) where a.trial_id = t.trial_id
) a (attempts) on true

-- name: note_on_trial
-- The note on a trial, which optuna-dashboard stores in attributes of the study.
left join lateral (
    select json_object_agg(n.key, n.value_json) from study_system_attributes n
    where n.study_id = t.study_id and starts_with(n.key, 'dashboard:' || t.trial_id || ':note_str:')
) n (note) on true

-- name: finished_to_export
-- Finished trials that have not arrived, by number. Numbers have no gaps, so a trial that is committed late is found
-- by a later call.
select
-- include: trial_columns
, n.note, a.attempts
from (
    select * from trials
    where study_id = %(study_id)s and number >= %(below)s and state not in ('RUNNING', 'WAITING')
        and number <> all(%(beyond)s::integer[])
    order by number limit %(limit)s
) t
-- include: trial_children
-- include: note_on_trial
-- include: attempts_of_trial
order by t.number

-- name: running_to_export
-- Running trials, with their reports so far.
select
-- include: trial_columns
, n.note, a.attempts
from (
    select * from trials where study_id = %(study_id)s and state = 'RUNNING' and number is not null
    order by number limit %(limit)s
) t
-- include: trial_children
-- include: note_on_trial
-- include: attempts_of_trial
order by t.number
