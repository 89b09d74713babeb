-- What a list of studies tells of each beyond its trials: state, budget, trials from elsewhere, ages of its making and of
-- its last sign of life, how many workers were heard of within so many seconds, and the best value of one metric. Where
-- trials have constraints none is best here: which of them meet theirs is for the study's own commands to say.
SELECT s.study_name, settings.state, settings.budget_trials, COALESCE(settings.imported_trials, 0),
    extract(epoch FROM clock_timestamp() - settings.created_at)::float8,
    extract(epoch FROM clock_timestamp() - GREATEST(
        (SELECT max(last_beat) FROM hpotool.workers w WHERE w.study_id = s.study_id), settings.state_changed_at))::float8,
    (SELECT count(*) FROM hpotool.workers w WHERE w.study_id = s.study_id AND w.ended_at IS NULL
        AND w.last_beat > clock_timestamp() - make_interval(secs => %(gone_after_s)s)),
    (SELECT CASE (array_agg(d.direction::text))[1] WHEN 'MAXIMIZE' THEN max(v.value) ELSE min(v.value) END
     FROM trials t JOIN trial_values v USING (trial_id) JOIN study_directions d ON d.study_id = t.study_id
     WHERE t.study_id = s.study_id AND t.state = 'COMPLETE' AND v.value_type = 'FINITE'
        AND (SELECT count(*) FROM study_directions d WHERE d.study_id = s.study_id) = 1
        AND NOT EXISTS (SELECT FROM trials c JOIN trial_system_attributes a USING (trial_id)
            WHERE c.study_id = s.study_id AND starts_with(a.key, 'constraints')))
FROM studies s LEFT JOIN hpotool.study_settings settings USING (study_id)
ORDER BY s.study_id
