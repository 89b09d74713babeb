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
