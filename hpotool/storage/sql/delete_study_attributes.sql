-- Remove system attributes of a study.
DELETE FROM study_system_attributes WHERE study_id = %(study_id)s AND key = ANY(%(keys)s)
