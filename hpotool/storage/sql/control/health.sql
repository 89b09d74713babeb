-- What `hpotool doctor` asks about the database and a study.

-- name: database_health
-- The server's settings, free connections, clock and encoding; whether this connection is encrypted; and for how many
-- seconds an idle open transaction has held a lock on one of our tables.
SELECT json_build_object(
    'version', current_setting('server_version_num')::integer,
    'now', extract(epoch FROM clock_timestamp()),
    'is_standby', pg_is_in_recovery(),
    'encoding', (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()),
    'not_durable', (SELECT COALESCE(json_agg(name ORDER BY name), '[]') FROM pg_settings
        WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'),
    'is_encrypted', COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
    'max_connections', current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer,
    'used_connections', (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    'connection_limit', (SELECT LEAST(NULLIF(d.datconnlimit, -1), NULLIF(r.rolconnlimit, -1))
        FROM pg_database d, pg_roles r WHERE d.datname = current_database() AND r.rolname = current_user),
    'here', (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()),
    'without_vacuum', (SELECT COALESCE(json_agg(c.relname ORDER BY c.relname), '[]') FROM pg_class c
        WHERE c.relname IN ('trials', 'trial_params', 'trial_heartbeats', 'attempts', 'workers', 'study_settings')
        AND (current_setting('autovacuum') = 'off' OR 'autovacuum_enabled=false' = ANY(c.reloptions))
        AND c.relkind = 'r'),
    'left_open', (SELECT COALESCE(json_agg(json_build_object('pid', a.pid, 'user', a.usename,
            'for_s', round(extract(epoch FROM clock_timestamp() - a.state_change)::numeric, 1))), '[]')
        FROM pg_stat_activity a WHERE a.state LIKE 'idle in transaction%%' AND a.datname = current_database()
        AND EXISTS (SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
            WHERE l.pid = a.pid AND l.mode LIKE '%%Exclusive%%'
            AND c.relname IN ('trials', 'studies', 'study_settings', 'attempts', 'workers'))))

-- name: missing_rights
-- The privileges that a worker needs and this role lacks, by table.
SELECT n.nspname || '.' || c.relname, array_to_string(ARRAY(
    SELECT needed FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) needed
    WHERE NOT has_table_privilege(c.oid, needed)), ', ')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND (n.nspname = 'hpotool' AND c.relname <> 'schema_version'
        OR n.nspname = (SELECT nspname FROM pg_namespace s JOIN pg_class t ON t.relnamespace = s.oid
            WHERE t.oid = to_regclass('trials')) AND (c.relname LIKE 'trial%%' OR c.relname LIKE 'stud%%'))
    AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
        AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
ORDER BY 1

-- name: study_health
-- A study's workers that have not ended, running trials without a live worker, failures without a retry, and the
-- outcomes of the latest attempts by host.
SELECT json_build_object(
    'workers', (SELECT COALESCE(json_agg(json_build_object(
            'worker', w.worker_id, 'host', w.host, 'slot', w.slot, 'version', w.version, 'launch', w.launch_id,
            'silent_s', GREATEST(0, extract(epoch FROM clock_timestamp() - w.last_beat))) ORDER BY w.registered_at), '[]')
        FROM hpotool.workers w
        -- A launched worker of a pool belongs to its launch, whichever study it serves at the moment.
        WHERE w.ended_at IS NULL AND (w.study_id = %(study_id)s
            OR w.launch_id IN (SELECT l.launch_id FROM hpotool.launches l WHERE l.study_id = %(study_id)s))),
    'pool_workers', (SELECT count(*) FROM hpotool.study_settings s JOIN hpotool.workers w USING (pool)
        WHERE s.study_id = %(study_id)s AND w.ended_at IS NULL
        AND w.last_beat > clock_timestamp() - make_interval(secs => %(gone_after_s)s)),
    'neighbours', (SELECT COALESCE(json_agg(json_build_object('host', host, 'slot', slot, 'count', n)), '[]')
        FROM (SELECT w.host, w.slot, count(*) AS n FROM hpotool.workers w
            WHERE w.ended_at IS NULL AND w.slot LIKE 'gpu%%'
            AND w.last_beat > clock_timestamp() - make_interval(secs => %(silent_after_s)s)
            GROUP BY 1, 2 HAVING count(*) > 1) AS doubled),
    'lost', (SELECT COALESCE(json_agg(t.number ORDER BY t.number), '[]') FROM trials t
        WHERE t.study_id = %(study_id)s AND t.state = 'RUNNING'
        AND EXISTS (SELECT FROM trial_heartbeats h WHERE h.trial_id = t.trial_id)
        AND NOT EXISTS (SELECT FROM hpotool.attempts a JOIN hpotool.workers w USING (worker_id)
            WHERE a.trial_id = t.trial_id AND a.ended_at IS NULL AND w.ended_at IS NULL
            AND w.last_beat > clock_timestamp() - make_interval(secs => %(gone_after_s)s))),
    'foreign', (SELECT COALESCE(json_agg(t.number ORDER BY t.number), '[]') FROM trials t
        WHERE t.study_id = %(study_id)s AND t.state = 'RUNNING'
        AND NOT EXISTS (SELECT FROM trial_heartbeats h WHERE h.trial_id = t.trial_id)),
    'unfollowed', (SELECT COALESCE(json_agg(json_build_object('number', t.number, 'outcome', last.outcome, 'history',
            ARRAY(SELECT e.outcome FROM hpotool.attempts e WHERE e.study_id = t.study_id
                AND e.root_number = last.root_number AND e.number < t.number AND e.outcome IS NOT NULL
                AND NOT e.is_burnt
                ORDER BY e.number)) ORDER BY t.number), '[]')
        FROM trials t JOIN LATERAL (SELECT outcome, root_number FROM hpotool.attempts a
            WHERE a.trial_id = t.trial_id AND a.outcome IS NOT NULL ORDER BY started_at DESC LIMIT 1) last ON true
        WHERE t.study_id = %(study_id)s AND t.state = 'FAIL'
        AND NOT EXISTS (SELECT FROM hpotool.retries r WHERE r.previous_trial_id = t.trial_id)),
    'recent', (SELECT COALESCE(json_agg(json_build_object('host', host, 'outcome', outcome, 'reason', reason)), '[]')
        FROM (SELECT host, outcome, reason FROM hpotool.attempts
            WHERE study_id = %(study_id)s AND outcome IS NOT NULL ORDER BY ended_at DESC LIMIT 100) AS latest),
    'quarantined', (SELECT COALESCE(json_agg(COALESCE(q.device, q.host) ORDER BY q.quarantine_id), '[]')
        FROM hpotool.quarantines q
        WHERE q.study_id = %(study_id)s AND q.lifted_at IS NULL AND q.until > clock_timestamp()),
    'mismatch', (SELECT value_json FROM study_system_attributes
        WHERE study_id = %(study_id)s AND key = 'hpotool:pruner_mismatch'))
