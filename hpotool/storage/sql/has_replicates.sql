-- Whether trials of the same point are replicates, compared by their mean.
SELECT spec->>'duplicates' = 'replicate'
FROM hpotool.study_settings JOIN studies USING (study_id)
WHERE study_name = %(study_name)s
