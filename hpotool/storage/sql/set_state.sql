-- Move a study to a state, with the event that says who did it and why. Nothing is written when it is there already.
WITH before AS (
    SELECT study_id, state FROM hpotool.study_settings WHERE study_id = %(study_id)s FOR UPDATE
), changed AS (
    UPDATE hpotool.study_settings s
    SET state = %(state)s, state_reason = %(reason)s, state_changed_at = clock_timestamp()
    FROM before
    WHERE s.study_id = before.study_id AND before.state <> %(state)s
        AND (%(only_from)s::text IS NULL OR before.state = %(only_from)s)
    RETURNING s.study_id, before.state AS from_state
), event AS (
    INSERT INTO hpotool.events (study_id, kind, actor, from_state, to_state, reason)
    SELECT study_id, 'state', %(actor)s, from_state, %(state)s, %(reason)s FROM changed
)
SELECT EXISTS (SELECT FROM changed) FROM before
