-- The failed trials that nothing tries again, with how their last attempt ended and on which machine.
SELECT t.number, last.outcome, last.host
FROM trials t
LEFT JOIN LATERAL (
    SELECT outcome, host FROM hpotool.attempts a WHERE a.trial_id = t.trial_id ORDER BY started_at DESC LIMIT 1
) last ON true
WHERE t.study_id = %(study_id)s AND t.state = 'FAIL'
    AND NOT EXISTS (SELECT FROM hpotool.retries r WHERE r.previous_trial_id = t.trial_id)
ORDER BY t.number
