-- Queue a trial that goes on from another one's checkpoint; its number. Nothing where somebody else has done so, or
-- where every place for branches is taken: then whoever asks has an old view, and looks again.
-- include: lock_study
WITH settings AS (
    SELECT * FROM hpotool.study_settings WHERE study_id = %(study_id)s
-- include: reserved_places
), living AS (
    SELECT t.trial_id
    FROM hpotool.branches b
    JOIN trials t ON t.study_id = b.study_id AND t.state <> 'FAIL' AND (
        t.number = b.number
        OR t.trial_id IN (SELECT trial_id FROM hpotool.retries r
                          WHERE r.study_id = b.study_id AND r.root_number = b.number))
    WHERE b.study_id = %(study_id)s AND b.predecessor = %(predecessor)s
), queued AS (
    INSERT INTO trials (study_id, number, state)
    SELECT %(study_id)s,
        (SELECT max(number) + 1 FROM trials WHERE study_id = %(study_id)s AND number IS NOT NULL), 'WAITING'
    FROM settings, reserved
    WHERE state = 'running' AND reserved_places > 0 AND NOT EXISTS (SELECT FROM living)
    RETURNING trial_id, number
), counted AS (
    UPDATE hpotool.study_settings SET branches_queued = branches_queued + 1
    WHERE study_id = %(study_id)s AND EXISTS (SELECT FROM queued)
), branch AS (
    INSERT INTO hpotool.branches (study_id, predecessor, number)
    SELECT %(study_id)s, %(predecessor)s, number FROM queued
    ON CONFLICT (study_id, predecessor) DO UPDATE SET number = EXCLUDED.number
), attributes AS (
    INSERT INTO trial_system_attributes (trial_id, key, value_json)
    SELECT trial_id, 'fixed_params', %(params)s FROM queued
    UNION ALL
    SELECT trial_id, 'hpotool:branch', %(branch)s FROM queued
), event AS (
    INSERT INTO hpotool.events (study_id, kind, trial_id, number, actor, to_state, reason)
    SELECT %(study_id)s, 'branch', trial_id, number, %(actor)s, 'WAITING', %(reason)s FROM queued
)
SELECT number FROM queued
