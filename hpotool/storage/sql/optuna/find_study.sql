-- The id of the study with this name.
select study_id from studies where study_name = %(name)s
