-- How many of the budget's places are kept free for branches that are still to be queued. What failed for good has to
-- be queued again. In a study without branches it costs no more than the CASE. Continues a WITH that has `settings`.
), reserved AS (
    SELECT CASE WHEN branch_places = 0 THEN 0
        ELSE GREATEST(0, branch_places - branches_queued + hpotool.count_failed_branches(%(study_id)s))
    END AS reserved_places
    FROM settings
