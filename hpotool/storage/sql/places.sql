-- How many of the budget's places are taken, from counts that do not grow with the study: all numbers are dense, so
-- what finished is what was created less what is open or failed, or was taken over from another study. Continues a
-- WITH that has `settings`.
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
    SELECT
        count(*) AS recent,
        count(*) FILTER (WHERE first_open IS NULL OR t.number < first_open) AS recent_settled
    FROM counts, settings, trials t
    WHERE t.study_id = %(study_id)s AND t.state = 'FAIL' AND t.number >= settled_below
), places AS (
    SELECT
        created, running, waiting,
        created - running - waiting - failed_below - recent - imported_trials AS finished,
        failed_below + recent AS failed,
        COALESCE(first_open, created) AS first_open,
        failed_below + recent_settled AS failed_below_first_open,
        recent_settled > 50 AS is_worth_settling
    FROM counts, failures, settings
