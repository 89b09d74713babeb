-- How far a study is, and who works on it: state, reason, budget, trials taken over, the workers that have not ended,
-- what does not fit between its pruner and the objective's reports, and its tiers.
SELECT settings.state, settings.state_reason, settings.budget_trials, settings.imported_trials,
    (SELECT COALESCE(json_agg(json_build_object(
        'id', w.worker_id, 'host', w.host, 'pid', w.pid, 'slot', w.slot, 'trial', a.number,
        'last_beat_s', round(GREATEST(0, extract(epoch FROM clock_timestamp() - w.last_beat))::numeric, 1))
        ORDER BY w.registered_at), '[]')
     FROM hpotool.workers w
     LEFT JOIN hpotool.attempts a ON a.worker_id = w.worker_id AND a.ended_at IS NULL AND a.study_id = w.study_id
     WHERE w.study_id = settings.study_id AND w.ended_at IS NULL),
    (SELECT value_json FROM study_system_attributes a
     WHERE a.study_id = settings.study_id AND a.key = 'hpotool:pruner_mismatch'),
    COALESCE(settings.spec -> 'tiers', '[]')
FROM hpotool.study_settings settings
JOIN studies s USING (study_id)
WHERE s.study_name = %(study_name)s
