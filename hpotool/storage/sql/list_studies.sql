-- Every study at a glance, in the order of creation: directions, metric names, trials per state.
SELECT s.study_name,
    (SELECT array_agg(d.direction::text ORDER BY d.objective) FROM study_directions d WHERE d.study_id = s.study_id),
    (SELECT a.value_json FROM study_system_attributes a
     WHERE a.study_id = s.study_id AND a.key = 'study:metric_names'),
    (SELECT json_object_agg(state, n) FROM (
        SELECT state::text, count(*) AS n FROM trials t WHERE t.study_id = s.study_id GROUP BY state) AS counts),
    EXISTS (SELECT FROM study_system_attributes a WHERE a.study_id = s.study_id AND a.key = 'hpotool:archived')
FROM studies s
WHERE %(study_name)s IS NULL OR s.study_name = %(study_name)s
ORDER BY s.study_id
