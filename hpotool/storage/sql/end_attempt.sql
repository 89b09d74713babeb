-- The attempt of the trial in `ended` is over, and the event log says so.
), attempt AS (
    UPDATE hpotool.attempts a
    SET ended_at = clock_timestamp(), ended_by = %(actor)s, outcome = %(outcome)s, reason = %(reason)s,
        output_tail = COALESCE(%(output_tail)s, output_tail), gpu = COALESCE(%(gpu)s::jsonb, gpu)
    FROM ended
    WHERE a.trial_id = ended.trial_id AND a.ended_at IS NULL
), event AS (
    INSERT INTO hpotool.events (study_id, kind, trial_id, number, actor, from_state, to_state, reason)
    SELECT study_id, %(event)s, trial_id, number, %(actor)s, 'RUNNING', %(state)s,
        concat_ws(': ', %(outcome)s, NULLIF(%(reason)s, ''))
    FROM ended
