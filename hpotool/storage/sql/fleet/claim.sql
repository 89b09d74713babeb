-- A worker's claim of a trial, and parts that it shares with other statements.

-- name: lock_study
-- The lock that Optuna itself takes to number a trial, so plain Optuna workers and ours queue for the same row.
SELECT FROM studies WHERE study_id = %(study_id)s FOR UPDATE;

-- name: lock_study_in_turn
-- The same lock where many claim at once. Whoever does not get it at once queues behind one of sixteen others, so that at
-- most sixteen wait for the row: a wait of more than a second (deadlock_timeout) makes Postgres look for a deadlock
-- among all who wait for the same lock, which costs the square of their number.
SELECT pg_advisory_xact_lock(hashtextextended('hpotool.claim', %(study_id)s::bigint * 16 + pg_backend_pid() %% 16))
WHERE NOT EXISTS (SELECT FROM studies WHERE study_id = %(study_id)s FOR UPDATE SKIP LOCKED);
-- include: lock_study

-- name: places
-- The used and reserved part of the budget, from counts that do not grow with the study: numbers are dense, so the
-- finished trials are all created ones less those that are open, failed, or copied from another study. Trials beside
-- the search use no budget. Continues a WITH that has `settings`.
), counts AS (
    SELECT
        COALESCE((SELECT max(number) + 1 FROM trials WHERE study_id = %(study_id)s AND number IS NOT NULL), 0)
            AS created,
        (SELECT count(*) FROM trials WHERE study_id = %(study_id)s AND state = 'RUNNING') AS running,
        (SELECT count(*) FROM trials WHERE study_id = %(study_id)s AND state = 'WAITING') AS waiting,
        LEAST(
            (SELECT number FROM trials WHERE study_id = %(study_id)s AND state = 'RUNNING'
             ORDER BY trial_id LIMIT 1),
            (SELECT number FROM trials WHERE study_id = %(study_id)s AND state = 'WAITING'
             ORDER BY trial_id LIMIT 1)
        ) AS first_open
), failures AS (
    -- LATERAL, so that no plan reads all failed trials, not even one that was made while there were none.
    SELECT recent, recent_settled
    FROM counts, settings, LATERAL (
        SELECT
            count(*) AS recent,
            count(*) FILTER (WHERE first_open IS NULL OR t.number < first_open) AS recent_settled
        FROM trials t
        WHERE t.study_id = %(study_id)s AND t.state = 'FAIL' AND t.number >= settled_below
    ) f
), reevaluations AS (
    SELECT COALESCE(a.finished, 0) AS finished, COALESCE(a.running, 0) AS running, COALESCE(a.waiting, 0) AS waiting,
        COALESCE(a.failed, 0) AS failed, COALESCE(a.replicates_open, 0) AS replicates_open, a.next_waiting
    FROM settings LEFT JOIN LATERAL hpotool.count_apart(%(study_id)s, settings.apart_from_id) a ON true
), places AS (
    SELECT
        created, c.running - reevaluations.running AS running, c.waiting - reevaluations.waiting AS waiting,
        created - c.running - c.waiting - failed_below - recent - imported_trials - reevaluations.finished AS finished,
        failed_below + recent - reevaluations.failed AS failed,
        COALESCE(first_open, created) AS first_open,
        failed_below + recent_settled AS failed_below_first_open,
        recent_settled > 50 AS is_worth_settling,
        c.running AS running_in_all, reevaluations.replicates_open, reevaluations.next_waiting AS next_replicate,
        reevaluations.running + reevaluations.waiting + reevaluations.finished
            + reevaluations.failed AS reevaluations_created
    FROM counts c, failures, settings, reevaluations

-- name: reserved_places
-- The part of the budget that is kept free for branches still to be queued. Branches that failed for good have to be
-- queued again. In a study without branches, this costs no more than the CASE. Continues a WITH that has `settings`.
), reserved AS (
    SELECT CASE WHEN branch_places = 0 THEN 0
        ELSE GREATEST(0, branch_places - branches_queued + hpotool.count_failed_branches(%(study_id)s))
    END AS reserved_places
    FROM settings

-- name: claim
-- Claim the next trial: budget, trial, RUNNING, attempt row, first heartbeat and event, all or nothing.
-- If it is sent twice with the same attempt_id (the first answer was lost), it returns the same trial again, or says
-- that a reaper has ended that attempt in the meantime, so that the id cannot be used any more.
-- The lock is a separate statement, so that the next one sees everything committed while it waited.
-- include: lock_study_in_turn
-- include: claim_locked

-- name: claim_in_pool
-- The same for a worker of a pool, which is listed from now on as a worker of this study.
-- include: lock_study_in_turn
WITH settings AS (
    -- As strong as what follows in the claim needs: a weaker lock first could wait for someone who waits for it.
    SELECT study_id FROM hpotool.study_settings WHERE study_id = %(study_id)s FOR NO KEY UPDATE
)
UPDATE hpotool.workers w SET study_id = settings.study_id
FROM settings WHERE w.worker_id = %(worker_id)s AND w.study_id IS DISTINCT FROM settings.study_id;
-- include: claim_locked

-- name: claim_locked
-- The claim itself, with the study locked.
WITH settings AS (
    SELECT * FROM hpotool.study_settings WHERE study_id = %(study_id)s
), again AS (
    SELECT trial_id, ended_at FROM hpotool.attempts WHERE attempt_id = %(attempt_id)s
-- include: places
-- include: reserved_places
-- Costs nothing without these limits.
), held AS (
    SELECT COALESCE(max_running <= running_in_all, false)
        OR (owner IS NOT NULL AND hpotool.over_quota(owner) IS NOT NULL) AS is_held
    FROM settings, places
), verdict AS (
    SELECT CASE
        WHEN EXISTS (SELECT FROM again WHERE ended_at IS NULL) THEN 'claimed'
        WHEN EXISTS (SELECT FROM again) THEN 'spent'
        WHEN %(final_trial_id)s::integer IS NOT NULL THEN 'reevaluate'
        WHEN state NOT IN ('running', 'done') THEN state
        WHEN quarantined_until > clock_timestamp()
            AND (next_replicate IS NOT NULL OR state = 'running' AND COALESCE(budget_trials > finished + running, true))
            AND hpotool.quarantine_of(%(study_id)s, %(worker_id)s) IS NOT NULL THEN 'quarantined'
        WHEN next_replicate IS NOT NULL AND NOT is_held THEN 'reevaluate'
        WHEN state = 'done' OR budget_trials <= finished
            THEN CASE WHEN replicates_open > 0 THEN 'wait' ELSE 'done' END
        WHEN max_running <= running_in_all THEN 'capped'
        WHEN budget_trials <= finished + running THEN 'wait'
        WHEN is_held THEN 'quota'
        ELSE 'open'
    END AS answer
    FROM settings, places, held
-- Trials beside the search need no budget, and are claimed even after the study is done. A final training is claimed only
-- by the worker that names it (final_trial_id).
), beside AS (
    SELECT t.trial_id, t.number
    FROM trials t JOIN places ON t.trial_id = COALESCE(%(final_trial_id)s::integer, next_replicate)
    WHERE t.state = 'WAITING' AND (SELECT answer FROM verdict) = 'reevaluate'
    FOR UPDATE OF t SKIP LOCKED
-- Waiting trials are finished before a new one is started.
), retry AS (
    SELECT t.trial_id, t.number
    FROM hpotool.retries r JOIN trials t ON t.trial_id = r.trial_id
    WHERE r.study_id = %(study_id)s AND r.claimed_at IS NULL AND t.state = 'WAITING'
        AND (SELECT answer FROM verdict) = 'open' AND ((SELECT apart_from_id IS NULL FROM settings) OR NOT EXISTS (
            SELECT FROM trial_system_attributes a WHERE a.trial_id = t.trial_id AND a.key = 'hpotool:phase'))
    ORDER BY r.root_number LIMIT 1
    FOR UPDATE OF t SKIP LOCKED
), queued AS (
    SELECT trial_id, number
    FROM trials t
    WHERE study_id = %(study_id)s AND state = 'WAITING'
        AND (SELECT answer FROM verdict) = 'open' AND NOT EXISTS (SELECT FROM retry)
        AND ((SELECT apart_from_id IS NULL FROM settings) OR NOT EXISTS (
            SELECT FROM trial_system_attributes a WHERE a.trial_id = t.trial_id AND a.key = 'hpotool:phase'))
    ORDER BY trial_id LIMIT 1
    FOR UPDATE SKIP LOCKED
), waiting AS (
    SELECT * FROM beside UNION ALL SELECT * FROM retry UNION ALL SELECT * FROM queued
), begun AS (
    UPDATE trials SET state = 'RUNNING', datetime_start = clock_timestamp() AT TIME ZONE 'utc'
    WHERE trial_id IN (SELECT trial_id FROM waiting)
    RETURNING trial_id, number, datetime_start
), created AS (
    INSERT INTO trials (study_id, number, state, datetime_start)
    SELECT %(study_id)s, places.created, 'RUNNING', clock_timestamp() AT TIME ZONE 'utc'
    FROM verdict, settings, places, reserved
    WHERE answer = 'open' AND NOT EXISTS (SELECT FROM waiting)
        AND (budget_trials IS NULL OR finished + running + waiting + reserved_places < budget_trials)
        AND (%(create_below)s::integer IS NULL OR places.created - reevaluations_created < %(create_below)s)
    RETURNING trial_id, number, datetime_start
), taken AS (
    SELECT trial_id, number, datetime_start, 'WAITING' AS from_state FROM begun
    UNION ALL
    SELECT trial_id, number, datetime_start, NULL FROM created
), lineage AS (
    SELECT taken.*, COALESCE(
        (SELECT value_json::integer FROM trial_system_attributes a
         WHERE a.trial_id = taken.trial_id AND a.key = 'failed_trial'), number) AS root_number
    FROM taken
), retried AS (
    UPDATE hpotool.retries SET claimed_at = clock_timestamp() WHERE trial_id IN (SELECT trial_id FROM taken)
), first_beat AS (
    INSERT INTO trial_heartbeats (trial_id, heartbeat) SELECT trial_id, clock_timestamp() FROM taken
    ON CONFLICT (trial_id) DO UPDATE SET heartbeat = EXCLUDED.heartbeat
), attempt AS (
    INSERT INTO hpotool.attempts (attempt_id, study_id, trial_id, number, root_number, worker_id, host, pid, slot,
        code_hash, data_hash, pool, owner)
    SELECT %(attempt_id)s, %(study_id)s, trial_id, number, root_number,
        %(worker_id)s, %(host)s, %(pid)s, %(slot)s, %(code_hash)s, %(data_hash)s, pool, owner
    FROM lineage, settings
), event AS (
    INSERT INTO hpotool.events (study_id, kind, trial_id, number, actor, from_state, to_state)
    SELECT %(study_id)s, 'claim', trial_id, number, %(worker_id)s, from_state, 'RUNNING' FROM taken
-- Final trials are counted once and for all, when there are enough of them to be worth a write.
), settle AS (
    UPDATE hpotool.study_settings s
    SET first_claim_at = COALESCE(s.first_claim_at, clock_timestamp()),
        settled_below = CASE WHEN is_worth_settling THEN first_open ELSE s.settled_below END,
        failed_below = CASE WHEN is_worth_settling THEN failed_below_first_open ELSE s.failed_below END
    FROM places
    WHERE s.study_id = %(study_id)s AND (is_worth_settling OR s.first_claim_at IS NULL)
), result AS (
    SELECT trial_id, number, root_number, datetime_start, from_state IS NULL AS is_new FROM lineage
    UNION ALL
    SELECT trial_id, a.number, root_number, datetime_start, false
    FROM hpotool.attempts a JOIN trials t USING (trial_id)
    WHERE attempt_id = %(attempt_id)s AND a.ended_at IS NULL
)
SELECT
    CASE WHEN result.trial_id IS NOT NULL THEN 'claimed' WHEN answer IN ('open', 'reevaluate') THEN 'wait' ELSE answer END,
    CASE answer WHEN 'quota' THEN hpotool.over_quota(owner) WHEN 'capped' THEN max_running::text
        WHEN 'quarantined' THEN hpotool.quarantine_of(%(study_id)s, %(worker_id)s) ELSE state_reason END,
    finished, running, waiting, budget_trials, replicates_open,
    result.trial_id, result.number, result.root_number, result.datetime_start, result.is_new,
    ARRAY(
        SELECT outcome FROM hpotool.attempts a
        WHERE a.study_id = %(study_id)s AND a.root_number = result.root_number AND outcome IS NOT NULL AND NOT is_burnt
        ORDER BY a.number
    )
FROM verdict CROSS JOIN settings CROSS JOIN places LEFT JOIN result ON true
