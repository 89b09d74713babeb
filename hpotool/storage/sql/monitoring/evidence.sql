-- What a study looks like afterwards, for the checks in `hpotool.drill.invariants`.

-- name: evidence_trials
-- Every trial: number, lineage, state, value, number of values, whether another trial tries it again, whether it was
-- taken over, the last step that it reported, its parameter x, and what the drill's objective noted of its start.
SELECT t.number,
    COALESCE((SELECT value_json::integer FROM trial_system_attributes a
              WHERE a.trial_id = t.trial_id AND key = 'failed_trial'), t.number),
    t.state::text,
    (SELECT value FROM trial_values v WHERE v.trial_id = t.trial_id AND objective = 0),
    (SELECT count(*) FROM trial_values v WHERE v.trial_id = t.trial_id),
    EXISTS (SELECT FROM hpotool.retries r WHERE r.previous_trial_id = t.trial_id),
    EXISTS (SELECT FROM trial_system_attributes a WHERE a.trial_id = t.trial_id AND key = 'hpotool:taken_from'),
    (SELECT max(step) FROM trial_intermediate_values i WHERE i.trial_id = t.trial_id),
    (SELECT param_value FROM trial_params p WHERE p.trial_id = t.trial_id AND param_name = 'x'),
    (SELECT value_json FROM trial_user_attributes a WHERE a.trial_id = t.trial_id AND key = %(start_key)s)
FROM trials t WHERE t.study_id = %(study_id)s ORDER BY t.number

-- name: evidence_attempts
-- Every attempt: number, lineage, outcome, and whether it has ended.
SELECT number, root_number, outcome, ended_at IS NOT NULL FROM hpotool.attempts
WHERE study_id = %(study_id)s ORDER BY number, started_at

-- name: evidence_taken_over
-- How many trials the study counts as taken over from another one.
SELECT COALESCE(sum(imported_trials), 0)::integer FROM hpotool.study_settings WHERE study_id = %(study_id)s
