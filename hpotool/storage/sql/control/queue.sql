-- People's changes to a study's queue.

-- name: enqueue
-- Queue points as the next trials, all or none; returns their numbers in order.
-- include: lock_study
WITH queued AS (
    INSERT INTO trials (study_id, number, state)
    SELECT %(study_id)s,
        COALESCE((SELECT max(number) + 1 FROM trials WHERE study_id = %(study_id)s AND number IS NOT NULL), 0) + place,
        'WAITING'
    FROM generate_series(0, cardinality(%(points)s::text[]) - 1) AS place
    RETURNING trial_id, number
), fixed AS (
    INSERT INTO trial_system_attributes (trial_id, key, value_json)
    SELECT trial_id, 'fixed_params', (%(points)s::text[])[number - min(number) OVER () + 1] FROM queued
), event AS (
    INSERT INTO hpotool.events (study_id, kind, trial_id, number, actor, to_state)
    SELECT %(study_id)s, 'enqueue', trial_id, number, %(actor)s, 'WAITING' FROM queued
    WHERE EXISTS (SELECT FROM hpotool.study_settings WHERE study_id = %(study_id)s)
)
SELECT number FROM queued ORDER BY number

-- name: queue_branch
-- Queue a trial that continues from another one's checkpoint; returns its number. No row if another worker has already
-- done so, or all branches of the budget are reserved: then the caller's view is out of date, and it reads again.
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

-- name: take_over
-- Copy a finished trial of another study, with all its data, as a complete trial of this one. It does not use the budget.
-- No row if it was copied before.
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
-- include: content_of_created
), counted AS (
    UPDATE hpotool.study_settings SET imported_trials = imported_trials + 1
    WHERE study_id = %(study_id)s AND EXISTS (SELECT FROM created)
), event AS (
    INSERT INTO hpotool.events (study_id, kind, trial_id, number, actor, to_state, reason)
    SELECT %(study_id)s, 'take-over', trial_id, number, %(actor)s, %(state)s, %(reason)s FROM created
)
SELECT number FROM created

-- name: retry_trial
-- Queue a failed trial again on request. Returns the state it was found in, the number of an existing retry, and the
-- new number.
-- include: lock_study
WITH trial AS (
    SELECT study_id, trial_id, number, state FROM trials WHERE study_id = %(study_id)s AND number = %(number)s
), existing AS (
    SELECT t.number FROM trial JOIN hpotool.retries r ON r.previous_trial_id = trial.trial_id
    JOIN trials t ON t.trial_id = r.trial_id
), ended AS (
    SELECT study_id, trial_id, number FROM trial WHERE state = 'FAIL' AND NOT EXISTS (SELECT FROM existing)
-- include: queue_again
)
SELECT state::text, (SELECT number FROM existing), (SELECT number FROM queued_again) FROM trial

-- name: cancel_trial
-- End one trial for good: a waiting one fails at once, a running one learns of it at its attempt's next heartbeat.
-- Returns the state that it was found in, and whether it has an attempt.
-- The lock is a separate statement, so that the next one sees the attempt of a claim for which it waited.
SELECT FROM trials WHERE study_id = %(study_id)s AND number = %(number)s FOR UPDATE;
WITH trial AS (
    SELECT study_id, trial_id, number, state FROM trials
    WHERE study_id = %(study_id)s AND number = %(number)s FOR UPDATE
), told AS (
    UPDATE hpotool.attempts a SET cancel_reason = %(reason)s
    FROM trial WHERE a.trial_id = trial.trial_id AND trial.state = 'RUNNING' AND a.ended_at IS NULL
    RETURNING a.trial_id
), failed AS (
    UPDATE trials t SET state = 'FAIL', datetime_complete = clock_timestamp() AT TIME ZONE 'utc'
    FROM trial WHERE t.trial_id = trial.trial_id AND trial.state = 'WAITING'
    RETURNING t.trial_id
), event AS (
    INSERT INTO hpotool.events (study_id, kind, trial_id, number, actor, from_state, to_state, reason)
    SELECT study_id, 'cancel', trial_id, number, %(actor)s, state::text,
        CASE state WHEN 'WAITING' THEN 'FAIL' ELSE state::text END, %(reason)s
    FROM trial WHERE EXISTS (SELECT FROM told) OR EXISTS (SELECT FROM failed)
)
SELECT state::text, EXISTS (SELECT FROM told) FROM trial
