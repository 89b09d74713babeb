-- The attempts of a study, or of one trial, the first one first: what `trials` and `show` tell about each.
SELECT a.number, json_build_object(
    'worker', a.worker_id, 'host', a.host, 'slot', a.slot, 'outcome', a.outcome, 'reason', a.reason,
    'duration_s', round(GREATEST(0, extract(epoch FROM COALESCE(a.ended_at, clock_timestamp()) - a.started_at))::numeric, 3),
    'started', to_char(a.started_at AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), 'output_tail', a.output_tail, 'gpu', a.gpu)
FROM hpotool.attempts a
JOIN studies s USING (study_id)
WHERE s.study_name = %(study_name)s AND (%(number)s IS NULL OR a.number = %(number)s)
ORDER BY a.started_at
