-- Quotas of study owners, and their usage.

-- name: set_quota
-- Set or change an owner's quota of a period.
INSERT INTO hpotool.quotas (owner, period, gpu_hours, set_by) VALUES (%(owner)s, %(period)s, %(gpu_hours)s, %(actor)s)
ON CONFLICT (owner, period) DO UPDATE
SET gpu_hours = EXCLUDED.gpu_hours, set_by = EXCLUDED.set_by, set_at = clock_timestamp()

-- name: remove_quota
-- Remove an owner's quota of one period, or of all; returns how many there were.
WITH removed AS (
    DELETE FROM hpotool.quotas WHERE owner = %(owner)s AND (%(period)s::text IS NULL OR period = %(period)s) RETURNING 1
)
SELECT count(*) FROM removed

-- name: list_quotas
-- The quotas, each with its usage in the current period and the start of the next period.
SELECT owner, period, gpu_hours, hpotool.gpu_hours_used(owner, period),
    date_trunc(period, clock_timestamp() AT TIME ZONE 'utc') + ('1 ' || period)::interval, set_by
FROM hpotool.quotas
ORDER BY owner, CASE period WHEN 'day' THEN 0 WHEN 'week' THEN 1 ELSE 2 END

-- name: usage_since
-- Attempts within a time span, summed up: seconds within the span, number of attempts, and how many of them finished
-- their trial. Their owner is the study's owner at the start of the attempt.
SELECT s.study_name, COALESCE(a.owner, settings.owner), COALESCE(a.pool, settings.pool), settings.spec -> 'tags',
    settings.spec -> 'budget' -> 'prices', COALESCE(a.outcome, 'running'), a.slot,
    sum(GREATEST(0, extract(epoch FROM COALESCE(a.ended_at, now.at)
        - GREATEST(a.started_at, now.at - make_interval(secs => %(since_s)s)))))::float8,
    count(*), count(*) FILTER (WHERE a.outcome IN ('complete', 'pruned'))
FROM (SELECT clock_timestamp() AS at) now, hpotool.attempts a
JOIN hpotool.study_settings settings USING (study_id)
JOIN studies s USING (study_id)
WHERE COALESCE(a.ended_at, now.at) >= now.at - make_interval(secs => %(since_s)s)
GROUP BY s.study_id, s.study_name, COALESCE(a.owner, settings.owner), COALESCE(a.pool, settings.pool), settings.spec,
    COALESCE(a.outcome, 'running'), a.slot
ORDER BY s.study_id
