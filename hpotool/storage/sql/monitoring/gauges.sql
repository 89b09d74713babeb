-- The numbers of `/metrics`. Each statement answers for all studies at once, so more studies cost no more round trips.

-- name: gauge_studies
-- The studies that are not archived: state, budgets, copied trials, and the age of the first claim.
SELECT s.study_id, s.study_name, settings.state, settings.budget_trials, settings.imported_trials,
    settings.spec -> 'budget' ->> 'gpu_hours',
    extract(epoch FROM clock_timestamp() - settings.first_claim_at)::float8
FROM studies s JOIN hpotool.study_settings settings USING (study_id)
WHERE NOT EXISTS (
    SELECT FROM study_system_attributes a WHERE a.study_id = s.study_id AND a.key = 'hpotool:archived')
ORDER BY s.study_id

-- name: gauge_trials
-- Trials by study and state, and how many of them are beside the search.
SELECT t.study_id, t.state::text, count(*), count(a.trial_id)
FROM trials t LEFT JOIN trial_system_attributes a ON a.trial_id = t.trial_id AND a.key = 'hpotool:phase'
GROUP BY t.study_id, t.state

-- name: gauge_attempts
-- Ended attempts by study, outcome and slot: their number, their seconds, and the age of the last one.
SELECT study_id, outcome, slot, count(*), sum(GREATEST(0, extract(epoch FROM ended_at - started_at)))::float8,
    GREATEST(0, extract(epoch FROM clock_timestamp() - max(ended_at)))::float8
FROM hpotool.attempts WHERE ended_at IS NOT NULL
GROUP BY study_id, outcome, slot

-- name: gauge_workers
-- Workers that have not ended, by study: alive, silent for some heartbeats, and gone.
SELECT study_id,
    count(*) FILTER (WHERE silence <= make_interval(secs => %(silent_after_s)s)),
    count(*) FILTER (WHERE silence > make_interval(secs => %(silent_after_s)s)
        AND silence <= make_interval(secs => %(gone_after_s)s)),
    count(*) FILTER (WHERE silence > make_interval(secs => %(gone_after_s)s))
FROM (SELECT study_id, clock_timestamp() - last_beat AS silence FROM hpotool.workers
    WHERE ended_at IS NULL AND study_id IS NOT NULL) w
GROUP BY study_id

-- name: gauge_pools
-- Workers that are alive in the pool of each study, whichever study they serve at the moment.
SELECT s.study_id, count(*) FROM hpotool.study_settings s JOIN hpotool.workers w USING (pool)
WHERE w.ended_at IS NULL AND w.last_beat > clock_timestamp() - make_interval(secs => %(gone_after_s)s)
GROUP BY s.study_id

-- name: gauge_claims
-- By study, the pauses of workers between two trials within the given seconds: quantiles, number and sum.
SELECT a.study_id, percentile_cont(%(quantiles)s::float8[]) WITHIN GROUP (ORDER BY gap_s), count(*), sum(gap_s)
FROM hpotool.workers w CROSS JOIN LATERAL (
    SELECT study_id, started_at, lag(ended_at) OVER (ORDER BY started_at) AS free_since
    FROM hpotool.attempts
    WHERE worker_id = w.worker_id AND started_at > clock_timestamp() - make_interval(secs => %(window_s)s)
) a CROSS JOIN LATERAL (SELECT GREATEST(0, extract(epoch FROM started_at - free_since))::float8 AS gap_s) gap
WHERE w.last_beat > clock_timestamp() - make_interval(secs => %(window_s)s) AND free_since IS NOT NULL
GROUP BY a.study_id

-- name: gauge_server
-- Connections to the server, and their maximum.
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    current_setting('max_connections')::integer
