-- The end of an attempt, with its consequences in the same transaction.

-- name: values
-- The values of the trial in `ended`, as Optuna stores them: infinities are a type without a number.
), told AS (
    INSERT INTO trial_values (trial_id, objective, value, value_type)
    SELECT ended.trial_id, v.objective, v.value, v.value_type::trialvaluetype
    FROM ended, unnest(%(objectives)s::integer[], %(values)s::double precision[], %(value_types)s::text[])
        AS v (objective, value, value_type)
    ON CONFLICT (trial_id, objective) DO UPDATE SET value = EXCLUDED.value, value_type = EXCLUDED.value_type

-- name: own_content
-- Write the attempt's own record to the trial in `ended`: its own, or the retry that its late result completes, which
-- keeps the data written when it was queued.
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
-- End the attempt of the trial in `ended`, with an event.
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
-- Queue each trial in `ended` again if follow_up says so, with its parameters, user attributes, and its lineage in the
-- attributes of Optuna's own RetryHeartbeatStaleTrialCallback.
-- A cancelled trial is not queued again, even if its worker died before it learned of the cancellation.
-- Results of pruning rungs are moved rather than copied, so that a trial counts once in its bracket.
), queued_again AS (
    INSERT INTO trials (study_id, number, state)
    SELECT study_id, (SELECT max(t.number) FROM trials t WHERE t.study_id = ended.study_id AND number IS NOT NULL)
            + row_number() OVER (ORDER BY number),
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
    FROM (SELECT *, row_number() OVER (ORDER BY number) AS place FROM queued_again) q
    JOIN (SELECT *, row_number() OVER (ORDER BY number) AS place FROM ended) ended USING (place)
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
-- End an attempt with a result, or with a failure without a retry: state, values, attempt and event, all or nothing.
-- Returns the time of the trial's end, even if it is sent twice; NULL: the trial no longer belonged to this attempt.
-- No lock on the study: a reservation is kept or released, and a concurrent claim may see either.
WITH ended AS (
    UPDATE trials SET state = %(state)s::trialstate, datetime_complete = clock_timestamp() AT TIME ZONE 'utc'
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
-- End a failed attempt whose trial is retried: FAIL, the attempt's end, the new WAITING trial with the same parameters,
-- and the events, in one transaction. The owner of the attempt sends it, or a reaper on its behalf.
-- Returns the same as `finish`.
-- A reaper passes the heartbeat that it has watched (seen_beat): if there is a newer one, nothing is done.
-- Both locks are separate statements, so that the next one sees a cancellation for which it waited.
-- include: lock_study
SELECT FROM trials WHERE trial_id = %(trial_id)s FOR UPDATE;
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
-- A trial was taken away from a live attempt, which then still returned a result. Until the retry is claimed, that
-- result completes the retry, which is the waiting trial with the same parameters.
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
        started_at, ended_at, ended_by, outcome, reason, output_tail, gpu, code_hash, data_hash)
    SELECT %(late_attempt_id)s, e.study_id, e.trial_id, e.number, e.root_number, a.worker_id, a.host, a.pid, a.slot,
        a.started_at, clock_timestamp(), %(actor)s, %(outcome)s,
        'finished by the attempt that was taken for lost', %(output_tail)s, %(gpu)s::jsonb, a.code_hash, a.data_hash
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
-- Write the pending data of an attempt whose worker is gone to the attempt's own trial, if that is still running. Bound
-- to the attempt rather than the trial's id, which may be another trial in another database. Returns whether the
-- attempt is known here.
WITH ended AS (
    SELECT t.trial_id
    FROM hpotool.attempts a JOIN trials t ON t.trial_id = a.trial_id AND t.state = 'RUNNING'
    WHERE a.attempt_id = %(attempt_id)s AND a.ended_at IS NULL
    FOR UPDATE OF t
-- include: own_content
)
SELECT EXISTS (SELECT FROM hpotool.attempts WHERE attempt_id = %(attempt_id)s)
