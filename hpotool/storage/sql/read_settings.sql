-- What is stored with a study.
SELECT study_id, spec, spec_hash, versions, budget_trials, state, state_reason, md5(spec::text)
FROM hpotool.study_settings WHERE study_id = %(study_id)s
