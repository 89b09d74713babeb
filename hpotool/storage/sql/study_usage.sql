-- What the study has used, by the database's clock: seconds since its first claim, seconds of attempts per slot, and
-- how many trials failed and were not tried again.
SELECT
    GREATEST(0, extract(epoch FROM clock_timestamp() - first_claim_at))::float8,
    (SELECT COALESCE(json_object_agg(slot, seconds), '{}') FROM (
        SELECT slot, sum(GREATEST(0, extract(epoch FROM COALESCE(ended_at, clock_timestamp()) - started_at)))::float8 AS seconds
        FROM hpotool.attempts WHERE study_id = %(study_id)s GROUP BY slot) AS used),
    (SELECT count(*) FROM trials t
     WHERE t.study_id = %(study_id)s AND t.state = 'FAIL'
        AND NOT EXISTS (SELECT FROM hpotool.retries r WHERE r.previous_trial_id = t.trial_id))
FROM hpotool.study_settings WHERE study_id = %(study_id)s
