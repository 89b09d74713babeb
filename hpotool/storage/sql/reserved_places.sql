-- How many of the budget's places are kept free for branches that are still to be queued. What failed for good has to
-- be queued again. Costs nothing in a study without branches. Continues a WITH that has `settings`.
), reserved AS (
    SELECT CASE WHEN branch_places = 0 THEN 0 ELSE GREATEST(0, branch_places - branches_queued + (
        SELECT count(*)
        FROM trials t JOIN trial_system_attributes a ON a.trial_id = t.trial_id AND a.key = 'hpotool:branch'
        WHERE t.study_id = %(study_id)s AND t.state = 'FAIL'
            AND NOT EXISTS (SELECT FROM hpotool.retries r WHERE r.previous_trial_id = t.trial_id)
    )) END AS reserved_places
    FROM settings
