-- GPUs that workers share, GPUs with errors, and hosts and devices that take no trials. Workers of the version before
-- go on working: they neither read nor write any of this.

-- `devices` are the UUIDs of a worker's GPUs, which name them in every container and whatever is visible there. `waits`
-- says why the worker starts no trial although there is one; NULL: it would.
ALTER TABLE hpotool.workers
    ADD COLUMN devices text[] NOT NULL DEFAULT '{}',
    ADD COLUMN waits   text;

-- An attempt that failed because of where it ran. It uses up no retry of its trial.
ALTER TABLE hpotool.attempts ADD COLUMN is_burnt boolean NOT NULL DEFAULT false;

-- Until when a quarantine may hold, so that a claim in a study without one looks no further.
ALTER TABLE hpotool.study_settings ADD COLUMN quarantined_until timestamptz;

-- Hosts and devices that take no trials of a study: until a moment, or until somebody lifts it. A row with a device is
-- about that device alone, whatever host it is seen from. Rows are kept: only attempts after the last one count.
CREATE TABLE hpotool.quarantines (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    study_id      integer NOT NULL REFERENCES hpotool.study_settings ON DELETE CASCADE,
    host          text NOT NULL,
    device        text,
    reason        text NOT NULL,
    began_by      text NOT NULL,
    began_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    until         timestamptz NOT NULL,
    lifted_by     text,
    lifted_at     timestamptz
);
CREATE INDEX quarantines_open ON hpotool.quarantines (study_id) WHERE lifted_at IS NULL;

-- Why a worker takes no trials of the study: the quarantine that it is in; NULL: none. In PL/pgSQL, because a claim is
-- planned anew each time, and this is planned once in a connection.
CREATE FUNCTION hpotool.quarantine_of(study integer, worker text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT COALESCE(q.device, q.host) || ' is in quarantine until '
            || to_char(q.until AT TIME ZONE 'utc', 'YYYY-MM-DD HH24:MI') || ' UTC: ' || q.reason
        FROM hpotool.quarantines q
        WHERE q.study_id = study AND q.lifted_at IS NULL AND q.until > clock_timestamp()
            AND EXISTS (SELECT FROM hpotool.workers w WHERE w.worker_id = worker
                AND CASE WHEN q.device IS NULL THEN q.host = w.host ELSE q.device = ANY(w.devices) END)
        ORDER BY q.quarantine_id LIMIT 1);
END
$$;
