-- What the worker of an attempt had still to write when it was gone, to the attempt's own trial while that runs. Bound
-- to the attempt and not to the trial's id: in another database that id is another trial. Whether it is known here.
WITH ended AS (
    SELECT t.trial_id
    FROM hpotool.attempts a JOIN trials t ON t.trial_id = a.trial_id AND t.state = 'RUNNING'
    WHERE a.attempt_id = %(attempt_id)s AND a.ended_at IS NULL
    FOR UPDATE OF t
-- include: own_content
)
SELECT EXISTS (SELECT FROM hpotool.attempts WHERE attempt_id = %(attempt_id)s)
