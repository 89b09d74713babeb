-- The states that the trials of each lineage of a study are in: what says whether its checkpoints are needed.
SELECT COALESCE((SELECT a.value_json::integer FROM trial_system_attributes a
                 WHERE a.trial_id = t.trial_id AND a.key = 'failed_trial'), t.number) AS root,
    array_agg(DISTINCT t.state::text)
FROM trials t JOIN studies s USING (study_id)
WHERE s.study_name = %(study_name)s
GROUP BY root
