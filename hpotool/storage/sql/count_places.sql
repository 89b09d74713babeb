-- The budget's places as a claim counts them; a study that plain Optuna made needs no settings row for it.
WITH settings AS (
    SELECT COALESCE(s.settled_below, 0) AS settled_below, COALESCE(s.failed_below, 0) AS failed_below
    FROM (SELECT) one LEFT JOIN hpotool.study_settings s ON s.study_id = %(study_id)s
-- include: places
)
SELECT finished, running, waiting, created - running - waiting - finished AS failed FROM places
