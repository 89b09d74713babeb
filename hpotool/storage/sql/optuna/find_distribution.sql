-- How a parameter was first described in a study.
select p.distribution_json
from trials t join trial_params p on p.trial_id = t.trial_id and p.param_name = %(name)s
where t.study_id = %(study_id)s
limit 1
