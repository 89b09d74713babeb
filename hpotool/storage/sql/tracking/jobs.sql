-- Side jobs: who does one, and its progress.

-- name: take_job
-- Take a free job, or renew the lease on it. Returns its id and progress; no row if another process holds it.
-- The first process to take it creates its row, with the last event so far.
INSERT INTO hpotool.side_jobs AS j (study_id, job, holder, held_until, known_event)
VALUES (%(study_id)s, %(job)s, %(holder)s, clock_timestamp() + make_interval(secs => %(for_s)s),
    COALESCE((SELECT max(event_id) FROM hpotool.events WHERE study_id = %(study_id)s), 0))
ON CONFLICT (study_id, job) DO UPDATE SET holder = EXCLUDED.holder, held_until = EXCLUDED.held_until
WHERE j.holder = EXCLUDED.holder OR j.holder IS NULL OR j.held_until < clock_timestamp()
RETURNING j.job_id::text, j.sent_below, j.sent_beyond, j.refused

-- name: is_job_free
-- Whether nobody holds the job. Takes no lock, because workers ask regularly.
SELECT NOT EXISTS (
    SELECT FROM hpotool.side_jobs
    WHERE study_id = %(study_id)s AND job = %(job)s AND holder IS NOT NULL AND held_until > clock_timestamp()
        AND holder <> %(holder)s)

-- name: release_job
-- Let another process take the job at once.
UPDATE hpotool.side_jobs SET holder = NULL, held_until = NULL
WHERE study_id = %(study_id)s AND job = %(job)s AND holder = %(holder)s

-- name: advance_job
-- Record which trials have arrived, and clear the last trouble. No row if another process holds the job by now.
UPDATE hpotool.side_jobs
SET sent_below = %(below)s, sent_beyond = %(beyond)s::integer[], refused = %(refused)s::integer[],
    trouble = NULL, trouble_at = NULL
WHERE study_id = %(study_id)s AND job = %(job)s AND holder = %(holder)s
RETURNING job_id

-- name: note_trouble
-- Record what keeps the job from continuing.
UPDATE hpotool.side_jobs SET trouble = %(trouble)s, trouble_at = clock_timestamp()
WHERE study_id = %(study_id)s AND job = %(job)s AND holder = %(holder)s

-- name: restart_job
-- Forget which trials have arrived, so that all of them are sent again, to the same destinations.
UPDATE hpotool.side_jobs SET sent_below = 0, sent_beyond = '{}', refused = '{}'
WHERE study_id = %(study_id)s AND job = %(job)s

-- name: list_jobs
-- The jobs of a study, each with its holder and the numbers of finished trials that were and are still to be sent.
SELECT j.job, CASE WHEN j.held_until > clock_timestamp() THEN j.holder END,
    j.sent_below + cardinality(j.sent_beyond) - cardinality(j.refused), j.refused,
    (SELECT count(*) FROM trials t WHERE t.study_id = j.study_id AND t.number >= j.sent_below
        AND t.state NOT IN ('RUNNING', 'WAITING') AND t.number <> ALL(j.sent_beyond)),
    j.trouble, extract(epoch FROM clock_timestamp() - j.trouble_at)::float8
FROM hpotool.side_jobs j WHERE j.study_id = %(study_id)s ORDER BY j.made_at, j.job
