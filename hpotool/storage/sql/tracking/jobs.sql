-- Jobs beside the workers: who does one, and how far it is.

-- name: take_job
-- Take a job that nobody holds, or go on holding it: its id and how far it is, or nothing where another process has it.
-- Whoever takes it first of all enters it, with the last event that was there before.
INSERT INTO hpotool.side_jobs AS j (study_id, job, holder, held_until, known_event)
VALUES (%(study_id)s, %(job)s, %(holder)s, clock_timestamp() + make_interval(secs => %(for_s)s),
    COALESCE((SELECT max(event_id) FROM hpotool.events WHERE study_id = %(study_id)s), 0))
ON CONFLICT (study_id, job) DO UPDATE SET holder = EXCLUDED.holder, held_until = EXCLUDED.held_until
WHERE j.holder = EXCLUDED.holder OR j.holder IS NULL OR j.held_until < clock_timestamp()
RETURNING j.job_id::text, j.sent_below, j.sent_beyond, j.refused

-- name: is_job_free
-- Whether nobody holds the job; a question that locks nothing, for workers that look now and then.
SELECT NOT EXISTS (
    SELECT FROM hpotool.side_jobs
    WHERE study_id = %(study_id)s AND job = %(job)s AND holder IS NOT NULL AND held_until > clock_timestamp()
        AND holder <> %(holder)s)

-- name: release_job
-- Let another process take the job at once.
UPDATE hpotool.side_jobs SET holder = NULL, held_until = NULL
WHERE study_id = %(study_id)s AND job = %(job)s AND holder = %(holder)s

-- name: advance_job
-- Note which trials arrived, and that nothing is in the way; nothing where another process holds the job by now.
UPDATE hpotool.side_jobs
SET sent_below = %(below)s, sent_beyond = %(beyond)s::integer[], refused = %(refused)s::integer[],
    trouble = NULL, trouble_at = NULL
WHERE study_id = %(study_id)s AND job = %(job)s AND holder = %(holder)s
RETURNING job_id

-- name: note_trouble
-- Note what keeps the job from going on.
UPDATE hpotool.side_jobs SET trouble = %(trouble)s, trouble_at = clock_timestamp()
WHERE study_id = %(study_id)s AND job = %(job)s AND holder = %(holder)s

-- name: restart_job
-- Forget which trials arrived: all of them are sent again, to the same places.
UPDATE hpotool.side_jobs SET sent_below = 0, sent_beyond = '{}', refused = '{}'
WHERE study_id = %(study_id)s AND job = %(job)s

-- name: list_jobs
-- The jobs of a study: who holds each, how many finished trials have arrived, how many are still to be sent.
SELECT j.job, CASE WHEN j.held_until > clock_timestamp() THEN j.holder END,
    j.sent_below + cardinality(j.sent_beyond) - cardinality(j.refused), j.refused,
    (SELECT count(*) FROM trials t WHERE t.study_id = j.study_id AND t.number >= j.sent_below
        AND t.state NOT IN ('RUNNING', 'WAITING') AND t.number <> ALL(j.sent_beyond)),
    j.trouble, extract(epoch FROM clock_timestamp() - j.trouble_at)::float8
FROM hpotool.side_jobs j WHERE j.study_id = %(study_id)s ORDER BY j.made_at, j.job
