-- How many trials a study has in each state.
select state::text, count(*) from trials where study_id = %(study_id)s group by state
