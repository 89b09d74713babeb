-- The id of the trial with this number.
select trial_id from trials where study_id = %(study_id)s and number = %(number)s
