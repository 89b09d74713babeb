-- The end of an attempt, and what follows in the same transaction.

-- name: values
-- The values of the trial in `ended`, as Optuna stores them: infinities are a type without a number.
), told AS (
    INSERT INTO trial_values (trial_id, objective, value, value_type)
    SELECT ended.trial_id, v.objective, v.value, v.value_type::trialvaluetype
    FROM ended, unnest(%(objectives)s::integer[], %(values)s::double precision[], %(value_types)s::text[])
        AS v (objective, value, value_type)
    ON CONFLICT (trial_id, objective) DO UPDATE SET value = EXCLUDED.value, value_type = EXCLUDED.value_type

-- name: own_content
-- What an attempt itself knows goes to the trial in `ended`: its own, or the retry that its late result completes, which
-- keeps what was written when it was queued.
), params AS (
    INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
    SELECT ended.trial_id, p.name, p.value, p.distribution
    FROM ended, unnest(%(param_names)s::text[], %(param_values)s::double precision[], %(distributions)s::text[])
        AS p (name, value, distribution)
    ON CONFLICT (trial_id, param_name) DO NOTHING
), intermediate AS (
    INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)
    SELECT ended.trial_id, v.step, v.value, v.value_type::trialintermediatevaluetype
    FROM ended, unnest(%(steps)s::integer[], %(step_values)s::double precision[], %(step_types)s::text[])
        AS v (step, value, value_type)
    ON CONFLICT (trial_id, step) DO UPDATE SET
        intermediate_value = EXCLUDED.intermediate_value,
        intermediate_value_type = EXCLUDED.intermediate_value_type
), user_attributes AS (
    INSERT INTO trial_user_attributes (trial_id, key, value_json)
    SELECT ended.trial_id, a.key, a.value FROM ended, unnest(%(keys)s::text[], %(json_values)s::text[]) AS a (key, value)
    ON CONFLICT (trial_id, key) DO UPDATE SET value_json = EXCLUDED.value_json
), system_attributes AS (
    INSERT INTO trial_system_attributes (trial_id, key, value_json)
    SELECT ended.trial_id, a.key, a.value
    FROM ended, unnest(%(system_keys)s::text[], %(system_json_values)s::text[]) AS a (key, value)
    ON CONFLICT (trial_id, key) DO UPDATE SET value_json = EXCLUDED.value_json WHERE %(is_own_trial)s

-- name: end_attempt
-- The attempt of the trial in `ended` is over, and the event log says so.
), attempt AS (
    UPDATE hpotool.attempts a
    SET ended_at = clock_timestamp(), ended_by = %(actor)s, outcome = %(outcome)s, reason = %(reason)s,
        output_tail = COALESCE(%(output_tail)s, output_tail), gpu = COALESCE(%(gpu)s::jsonb, gpu)
    FROM ended
    WHERE a.trial_id = ended.trial_id AND a.ended_at IS NULL
), event AS (
    INSERT INTO hpotool.events (study_id, kind, trial_id, number, actor, from_state, to_state, reason)
    SELECT study_id, %(event)s, trial_id, number, %(actor)s, 'RUNNING', %(state)s,
        concat_ws(': ', %(outcome)s, NULLIF(%(reason)s, ''))
    FROM ended

-- name: queue_again
-- Queue the trial in `ended` again when follow_up says so. What makes it the same trial goes along: parameters, user
-- attributes, and the lineage in the attributes of Optuna's own RetryHeartbeatStaleTrialCallback.
-- What somebody cancelled is not queued again when its worker died before it heard of it.
-- Results of pruning rungs move instead of being copied: a trial counts once in its bracket.
), queued_again AS (
    INSERT INTO trials (study_id, number, state)
    SELECT study_id, (SELECT max(t.number) + 1 FROM trials t WHERE t.study_id = ended.study_id AND number IS NOT NULL),
        'WAITING'
    FROM ended
    WHERE %(follow_up)s IN ('retry', 'requeue')
        AND (%(event)s <> 'reap' OR NOT EXISTS (
            SELECT FROM hpotool.attempts a WHERE a.trial_id = ended.trial_id AND a.cancel_reason IS NOT NULL))
    RETURNING study_id, trial_id, number
), lineage AS (
    SELECT q.study_id, q.trial_id, q.number, ended.trial_id AS previous_trial_id, ended.number AS previous_number,
        COALESCE((SELECT value_json::integer FROM trial_system_attributes a
                  WHERE a.trial_id = ended.trial_id AND key = 'failed_trial'), ended.number) AS root_number,
        COALESCE((SELECT value_json::jsonb FROM trial_system_attributes a
                  WHERE a.trial_id = ended.trial_id AND key = 'retry_history'), '[]')
            || to_jsonb(ended.number) AS history
    FROM queued_again q, ended
), retry AS (
    INSERT INTO hpotool.retries (trial_id, study_id, root_number, previous_trial_id, is_counted)
    SELECT trial_id, study_id, root_number, previous_trial_id, %(follow_up)s = 'retry' FROM lineage
), params AS (
    INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
    SELECT l.trial_id, p.param_name, p.param_value, p.distribution_json
    FROM lineage l JOIN trial_params p ON p.trial_id = l.previous_trial_id
    ORDER BY p.param_id
), user_attributes AS (
    INSERT INTO trial_user_attributes (trial_id, key, value_json)
    SELECT l.trial_id, a.key, a.value_json
    FROM lineage l JOIN trial_user_attributes a ON a.trial_id = l.previous_trial_id
), rungs AS (
    UPDATE trial_system_attributes a SET trial_id = l.trial_id
    FROM lineage l
    WHERE a.trial_id = l.previous_trial_id AND starts_with(a.key, 'completed_rung_')
), system_attributes AS (
    INSERT INTO trial_system_attributes (trial_id, key, value_json)
    SELECT l.trial_id, a.key, a.value_json
    FROM lineage l JOIN trial_system_attributes a ON a.trial_id = l.previous_trial_id
    WHERE a.key NOT IN ('failed_trial', 'retry_history', 'hpotool:failed') AND NOT starts_with(a.key, 'completed_rung_')
    UNION ALL
    SELECT trial_id, 'failed_trial', root_number::text FROM lineage
    UNION ALL
    SELECT trial_id, 'retry_history', history::text FROM lineage
), queue_event AS (
    INSERT INTO hpotool.events (study_id, kind, trial_id, number, actor, to_state, reason)
    SELECT study_id, %(follow_up)s, trial_id, number, %(actor)s, 'WAITING', 'after trial ' || previous_number
    FROM lineage

-- name: finish
-- An attempt ended with a result, or with a failure that nothing follows: state, values, attempt and event, or nothing.
-- The answer is when the trial ended, also when it is sent twice; NULL: it was not this attempt's any more.
-- No lock on the study: a place that was held stays held or is given back, and both are true at once for a claim.
WITH ended AS (
    UPDATE trials SET state = %(state)s, datetime_complete = clock_timestamp() AT TIME ZONE 'utc'
    WHERE trial_id = %(trial_id)s AND state = 'RUNNING'
        AND EXISTS (SELECT FROM hpotool.attempts WHERE attempt_id = %(attempt_id)s AND ended_at IS NULL)
    RETURNING study_id, trial_id, number, datetime_complete
-- include: values
-- include: end_attempt
)
SELECT COALESCE(
    (SELECT datetime_complete FROM ended),
    (SELECT datetime_complete FROM trials t JOIN hpotool.attempts a ON a.trial_id = t.trial_id
     WHERE a.attempt_id = %(attempt_id)s AND a.ended_by = %(actor)s)
)

-- name: fail_and_queue
-- An attempt failed, and its trial is to be tried again: FAIL, the attempt's end, the new WAITING trial with the same
-- parameters, and the events, in one transaction. The owner of the attempt sends it, or a reaper in its place.
-- The answer is that of `finish`.
-- A reaper names the beat that it has watched (seen_beat): one beat more, and nothing is done.
-- include: lock_study
WITH beat AS (
    SELECT heartbeat FROM trial_heartbeats WHERE trial_id = %(trial_id)s FOR UPDATE
), ended AS (
    UPDATE trials SET state = 'FAIL', datetime_complete = clock_timestamp() AT TIME ZONE 'utc'
    WHERE trial_id = %(trial_id)s AND state = 'RUNNING'
        AND (%(seen_beat)s::timestamp IS NULL OR EXISTS (SELECT FROM beat WHERE heartbeat = %(seen_beat)s::timestamp))
        AND (%(attempt_id)s::uuid IS NULL OR EXISTS (
            SELECT FROM hpotool.attempts WHERE attempt_id = %(attempt_id)s::uuid AND ended_at IS NULL))
    RETURNING study_id, trial_id, number, datetime_complete
-- include: end_attempt
-- include: queue_again
)
SELECT COALESCE(
    (SELECT datetime_complete FROM ended),
    (SELECT datetime_complete FROM trials t JOIN hpotool.attempts a ON a.trial_id = t.trial_id
     WHERE a.attempt_id = %(attempt_id)s::uuid AND a.ended_by = %(actor)s)
)

-- name: finish_late
-- A trial was taken away from a live attempt, which then returned its result all the same. While nobody has claimed
-- the retry, that result completes the retry: the trial with the same parameters that waits for exactly this.
-- include: lock_study
WITH settings AS (
    SELECT * FROM hpotool.study_settings WHERE study_id = %(study_id)s
-- include: places
), waiting_retry AS (
    SELECT t.study_id, t.trial_id, t.number, r.root_number
    FROM hpotool.retries r JOIN trials t ON t.trial_id = r.trial_id
    WHERE r.previous_trial_id = %(trial_id)s AND t.state = 'WAITING'
        AND ((SELECT budget_trials IS NULL OR finished + running < budget_trials FROM settings, places)
            OR EXISTS (SELECT FROM trial_system_attributes a WHERE a.trial_id = t.trial_id AND a.key = 'hpotool:phase'))
    FOR UPDATE OF t
), ended AS (
    UPDATE trials t
    SET state = %(state)s, datetime_start = %(started)s, datetime_complete = clock_timestamp() AT TIME ZONE 'utc'
    FROM waiting_retry w WHERE t.trial_id = w.trial_id
    RETURNING w.study_id, w.trial_id, w.number, w.root_number
-- include: values
-- include: own_content
), claimed AS (
    UPDATE hpotool.retries SET claimed_at = clock_timestamp() WHERE trial_id IN (SELECT trial_id FROM ended)
), attempt AS (
    INSERT INTO hpotool.attempts (attempt_id, study_id, trial_id, number, root_number, worker_id, host, pid, slot,
        started_at, ended_at, ended_by, outcome, reason, output_tail, gpu)
    SELECT %(late_attempt_id)s, e.study_id, e.trial_id, e.number, e.root_number, a.worker_id, a.host, a.pid, a.slot,
        a.started_at, clock_timestamp(), %(actor)s, %(outcome)s,
        'finished by the attempt that was taken for lost', %(output_tail)s, %(gpu)s::jsonb
    FROM ended e, hpotool.attempts a WHERE a.attempt_id = %(attempt_id)s
), event AS (
    INSERT INTO hpotool.events (study_id, kind, trial_id, number, actor, from_state, to_state, reason)
    SELECT study_id, 'finish', trial_id, number, %(actor)s, 'WAITING', %(state)s,
        'the attempt that was taken for lost returned its result'
    FROM ended
)
SELECT EXISTS (SELECT FROM ended)
    OR EXISTS (SELECT FROM hpotool.attempts WHERE attempt_id = %(late_attempt_id)s)

-- name: rescue_content
-- What the worker of an attempt had still to write when it was gone, to the attempt's own trial while that runs. Bound
-- to the attempt and not to the trial's id: in another database that id is another trial. Whether it is known here.
WITH ended AS (
    SELECT t.trial_id
    FROM hpotool.attempts a JOIN trials t ON t.trial_id = a.trial_id AND t.state = 'RUNNING'
    WHERE a.attempt_id = %(attempt_id)s AND a.ended_at IS NULL
    FOR UPDATE OF t
-- include: own_content
)
SELECT EXISTS (SELECT FROM hpotool.attempts WHERE attempt_id = %(attempt_id)s)
