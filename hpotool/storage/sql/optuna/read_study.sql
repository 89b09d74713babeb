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
