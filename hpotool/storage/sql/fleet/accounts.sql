-- Whose GPU-hours: quotas of owners, and what was used by whom.

-- name: set_quota
-- Set what an owner may use in a period, or change it.
INSERT INTO hpotool.quotas (owner, period, gpu_hours, set_by) VALUES (%(owner)s, %(period)s, %(gpu_hours)s, %(actor)s)
ON CONFLICT (owner, period) DO UPDATE
SET gpu_hours = EXCLUDED.gpu_hours, set_by = EXCLUDED.set_by, set_at = clock_timestamp()

-- name: remove_quota
-- Remove an owner's quota of a period, or all of them; how many there were.
WITH removed AS (
    DELETE FROM hpotool.quotas WHERE owner = %(owner)s AND (%(period)s::text IS NULL OR period = %(period)s) RETURNING 1
)
SELECT count(*) FROM removed

-- name: list_quotas
-- The quotas, how much of each is used in its current period, and when the next one begins.
SELECT owner, period, gpu_hours, hpotool.gpu_hours_used(owner, period),
    date_trunc(period, clock_timestamp() AT TIME ZONE 'utc') + ('1 ' || period)::interval, set_by
FROM hpotool.quotas
ORDER BY owner, CASE period WHEN 'day' THEN 0 WHEN 'week' THEN 1 ELSE 2 END

-- name: usage_since
-- The attempts that ran within some time, summed up: seconds in that time, how many attempts, and how many of them finished
-- their trial. Whose they are is what the study said when they began.
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
