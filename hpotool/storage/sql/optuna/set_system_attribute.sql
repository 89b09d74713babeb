-- Write an attribute of a study that belongs to Optuna; no row when there is no such study.
insert into study_system_attributes (study_id, key, value_json)
select study_id, %(key)s, %(value)s from studies where study_id = %(study_id)s
on conflict (study_id, key) do update set value_json = excluded.value_json
returning study_id
