-- The budget's places as a claim counts them; a study that plain Optuna made needs no settings row for it.
WITH settings AS (
    SELECT COALESCE(s.settled_below, 0) AS settled_below, COALESCE(s.failed_below, 0) AS failed_below,
        COALESCE(s.imported_trials, 0) AS imported_trials
    FROM (SELECT) one LEFT JOIN hpotool.study_settings s ON s.study_id = %(study_id)s
-- include: places
)
SELECT finished, running, waiting, failed FROM places
