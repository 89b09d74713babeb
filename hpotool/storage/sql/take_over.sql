-- A trial that finished in another study becomes a complete trial of this one, with all that belongs to it. It takes no
-- place of the budget. Nothing where it was taken over before.
-- include: lock_study
WITH created AS (
    INSERT INTO trials (study_id, number, state, datetime_start, datetime_complete)
    SELECT %(study_id)s,
        COALESCE((SELECT max(number) + 1 FROM trials WHERE study_id = %(study_id)s AND number IS NOT NULL), 0),
        %(state)s::trialstate, %(datetime_start)s::timestamp, %(datetime_complete)s::timestamp
    WHERE NOT EXISTS (
        SELECT FROM trials t JOIN trial_system_attributes a USING (trial_id)
        WHERE t.study_id = %(study_id)s AND a.key = 'hpotool:taken_from' AND a.value_json = %(origin)s)
    RETURNING trial_id, number
-- include: optuna/content_of_created
), counted AS (
    UPDATE hpotool.study_settings SET imported_trials = imported_trials + 1
    WHERE study_id = %(study_id)s AND EXISTS (SELECT FROM created)
), event AS (
    INSERT INTO hpotool.events (study_id, kind, trial_id, number, actor, to_state, reason)
    SELECT %(study_id)s, 'take-over', trial_id, number, %(actor)s, %(state)s, %(reason)s FROM created
)
SELECT number FROM created
