-- Origins of attempts. Workers record them when they start and when they change, not for each trial.

-- name: record_origin
-- Store the parts of an origin, each content once. A study without code or data adopts these; with `anew`, every study
-- does. Returns the study's previous parts.
-- The lock is a separate statement, so that of workers that start together, each sees what the one before has recorded.
SELECT FROM hpotool.study_settings WHERE study_id = %(study_id)s FOR NO KEY UPDATE;
WITH parts AS (
    INSERT INTO hpotool.origins (kind, hash, content)
    SELECT kind, hash, content::jsonb
    FROM unnest(%(kinds)s::text[], %(hashes)s::text[], %(contents)s::text[]) AS given (kind, hash, content)
    ON CONFLICT (kind, hash) DO NOTHING
), study AS (
    UPDATE hpotool.study_settings
    SET code_hash = CASE WHEN %(anew)s OR code_hash IS NULL THEN %(code_hash)s::text ELSE code_hash END,
        data_hash = CASE WHEN %(anew)s OR data_hash IS NULL THEN %(whole_data_hash)s::text ELSE data_hash END
    WHERE study_id = %(study_id)s
        AND (%(anew)s OR code_hash IS NULL OR data_hash IS NULL AND %(whole_data_hash)s::text IS NOT NULL)
)
SELECT o.kind, o.content
FROM hpotool.study_settings s
JOIN hpotool.origins o ON (o.kind, o.hash) IN (('code', s.code_hash), ('data', s.data_hash))
WHERE s.study_id = %(study_id)s

-- name: note_origin
-- Record a worker's environment and how it differs from the study, with an event if that has changed.
WITH before AS (
    SELECT worker_id, study_id, differs FROM hpotool.workers WHERE worker_id = %(worker_id)s FOR UPDATE
), worker AS (
    UPDATE hpotool.workers w SET environment_hash = %(environment_hash)s, differs = %(differs)s::text
    FROM before WHERE w.worker_id = before.worker_id
)
INSERT INTO hpotool.events (study_id, kind, actor, reason)
SELECT study_id, 'drift', worker_id, COALESCE(%(differs)s::text, 'its code and data are those of the study again')
FROM before WHERE differs IS DISTINCT FROM %(differs)s::text

-- name: refuse_origin
-- Log why a strict study refused a worker; such a worker never registers.
INSERT INTO hpotool.events (study_id, kind, actor, to_state, reason)
VALUES (%(study_id)s, 'drift', %(worker_id)s, 'refused', %(differs)s)

-- name: read_study_origin
-- The code and data of a study: their hashes and contents.
SELECT s.code_hash, s.data_hash,
    (SELECT content FROM hpotool.origins WHERE kind = 'code' AND hash = s.code_hash),
    (SELECT content FROM hpotool.origins WHERE kind = 'data' AND hash = s.data_hash)
FROM hpotool.study_settings s WHERE s.study_id = %(study_id)s

-- name: read_attempt_origins
-- The origins of a study's attempts, or of one trial's: for each combination, its contents and the numbers of its
-- trials. Newest first.
SELECT a.code_hash, a.data_hash, w.environment_hash, array_agg(DISTINCT a.number ORDER BY a.number),
    array_agg(DISTINCT a.host ORDER BY a.host),
    (SELECT content FROM hpotool.origins WHERE kind = 'code' AND hash = a.code_hash),
    (SELECT content FROM hpotool.origins WHERE kind = 'data' AND hash = a.data_hash),
    (SELECT content FROM hpotool.origins WHERE kind = 'environment' AND hash = w.environment_hash)
FROM hpotool.attempts a LEFT JOIN hpotool.workers w USING (worker_id)
WHERE a.study_id = %(study_id)s AND (%(number)s::integer IS NULL OR a.number = %(number)s)
GROUP BY a.code_hash, a.data_hash, w.environment_hash
ORDER BY max(a.started_at) DESC

-- name: read_trial_origins
-- What the attempts of some trials came from: by combination of hashes, the numbers of the trials.
SELECT a.code_hash, a.data_hash, w.environment_hash, array_agg(DISTINCT t.number ORDER BY t.number)
FROM trials t JOIN hpotool.attempts a ON a.trial_id = t.trial_id LEFT JOIN hpotool.workers w USING (worker_id)
WHERE t.study_id = %(study_id)s AND t.number = ANY(%(numbers)s::integer[])
GROUP BY a.code_hash, a.data_hash, w.environment_hash
ORDER BY max(a.started_at)

-- name: read_origin_contents
-- The contents of these hashes; of code without the text of its changes.
SELECT kind, hash, content - 'diff' FROM hpotool.origins WHERE hash = ANY(%(hashes)s::text[])

-- name: read_different_workers
-- The workers of a study that have not ended and whose code or data differ from the study's.
SELECT worker_id, host, differs FROM hpotool.workers
WHERE study_id = %(study_id)s AND ended_at IS NULL AND differs IS NOT NULL ORDER BY registered_at, worker_id

-- name: origins_of_study
-- The hashes that a study, its workers and its attempts refer to.
SELECT array_agg(DISTINCT hash) FROM (
    SELECT unnest(ARRAY[code_hash, data_hash]) AS hash FROM hpotool.study_settings WHERE study_id = %(study_id)s
    UNION SELECT unnest(ARRAY[code_hash, data_hash]) FROM hpotool.attempts WHERE study_id = %(study_id)s
    UNION SELECT environment_hash FROM hpotool.workers WHERE study_id = %(study_id)s
) AS used WHERE hash IS NOT NULL

-- name: forget_origins
-- Remove the given contents unless something still refers to them; code can contain changes that somebody wants gone.
DELETE FROM hpotool.origins
WHERE hash = ANY(%(hashes)s::text[])
    AND NOT EXISTS (SELECT FROM hpotool.study_settings s WHERE hash IN (s.code_hash, s.data_hash))
    AND NOT EXISTS (SELECT FROM hpotool.attempts a WHERE hash IN (a.code_hash, a.data_hash))
    AND NOT EXISTS (SELECT FROM hpotool.workers w WHERE w.environment_hash = hash)
