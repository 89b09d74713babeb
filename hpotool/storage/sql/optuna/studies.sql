-- Optuna's studies.

-- name: insert_study
-- A new study with its directions; no row when the name is taken.
with created as (
    insert into studies (study_name) values (%(name)s) on conflict (study_name) do nothing returning study_id
), directed as (
    insert into study_directions (direction, study_id, objective)
    select direction::studydirection, study_id, n - 1
    from created, unnest(%(directions)s::text[]) with ordinality w (direction, n)
)
select study_id from created

-- name: delete_study
-- Delete a study with everything in Optuna's tables; no row if there is none.
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

-- name: find_study
-- The id of the study with this name.
select study_id from studies where study_name = %(name)s

-- name: read_study
-- Name, directions and attributes of one study, or of all when the id is null.
select s.study_id, s.study_name,
    (select array_agg(direction::text order by objective) from study_directions c where c.study_id = s.study_id),
    u.keys, u.values, y.keys, y.values
from studies s
left join lateral (
    select array_agg(key::text order by study_user_attribute_id), array_agg(value_json order by study_user_attribute_id)
    from study_user_attributes c where c.study_id = s.study_id
) u (keys, values) on true
left join lateral (
    select array_agg(key::text order by study_system_attribute_id), array_agg(value_json order by study_system_attribute_id)
    from study_system_attributes c where c.study_id = s.study_id
) y (keys, values) on true
where s.study_id = %(study_id)s or %(study_id)s is null
order by s.study_id

-- name: set_user_attribute
-- Write an attribute of a study; no row when there is no such study.
insert into study_user_attributes (study_id, key, value_json)
select study_id, %(key)s, %(value)s from studies where study_id = %(study_id)s
on conflict (study_id, key) do update set value_json = excluded.value_json
returning study_id

-- name: set_system_attribute
-- Write an attribute of a study that belongs to Optuna; no row when there is no such study.
insert into study_system_attributes (study_id, key, value_json)
select study_id, %(key)s, %(value)s from studies where study_id = %(study_id)s
on conflict (study_id, key) do update set value_json = excluded.value_json
returning study_id
