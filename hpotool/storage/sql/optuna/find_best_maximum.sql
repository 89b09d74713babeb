-- The complete trial with the highest first value.
select t.trial_id
from trials t join trial_values v on v.trial_id = t.trial_id and v.objective = 0
where t.study_id = %(study_id)s and t.state = 'COMPLETE'
order by case v.value_type when 'INF_NEG' then -1 when 'INF_POS' then 1 else 0 end desc, v.value desc, t.trial_id
limit 1
