-- A study and everything that Optuna's tables hold of it; no row when there is none.
select 1 from studies where study_id = %(study_id)s for update;
delete from trial_params c using trials t where t.study_id = %(study_id)s and c.trial_id = t.trial_id;
delete from trial_values c using trials t where t.study_id = %(study_id)s and c.trial_id = t.trial_id;
delete from trial_intermediate_values c using trials t where t.study_id = %(study_id)s and c.trial_id = t.trial_id;
delete from trial_user_attributes c using trials t where t.study_id = %(study_id)s and c.trial_id = t.trial_id;
delete from trial_system_attributes c using trials t where t.study_id = %(study_id)s and c.trial_id = t.trial_id;
delete from trial_heartbeats c using trials t where t.study_id = %(study_id)s and c.trial_id = t.trial_id;
delete from trials where study_id = %(study_id)s;
delete from study_directions where study_id = %(study_id)s;
delete from study_user_attributes where study_id = %(study_id)s;
delete from study_system_attributes where study_id = %(study_id)s;
delete from studies where study_id = %(study_id)s returning study_id
