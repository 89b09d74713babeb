-- RUNNING trials that beat once and not since the grace period.
select t.trial_id
from trials t join trial_heartbeats h on h.trial_id = t.trial_id
where t.study_id = %(study_id)s and t.state = 'RUNNING'
and h.heartbeat < current_timestamp::timestamp - make_interval(secs => %(grace_s)s)
order by t.trial_id
