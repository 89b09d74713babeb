-- Shared GPUs, faulty GPUs, and quarantined hosts and devices. Workers of the previous version keep working: they do
-- not use any of this.

-- `devices`: the UUIDs of a worker's GPUs, which are the same in every container, whatever is visible there.
-- `waits`: why the worker does not start a trial although one is available; NULL if nothing keeps it.
ALTER TABLE hpotool.workers
    ADD COLUMN devices text[] NOT NULL DEFAULT '{}',
    ADD COLUMN waits   text;

-- The attempt failed because of the place where it ran, so it does not count as one of the trial's retries.
ALTER TABLE hpotool.attempts ADD COLUMN is_burnt boolean NOT NULL DEFAULT false;

-- The latest end of the study's quarantines; NULL if it has none, so that claims need not look for one.
ALTER TABLE hpotool.study_settings ADD COLUMN quarantined_until timestamptz;

-- Hosts and devices that take no trials of a study, until a given time or until somebody lifts the quarantine. A row
-- with a device applies to that device only, on whichever host it is. Rows are kept, because only attempts after a
-- place's latest quarantine are held against it.
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

-- The quarantine that keeps a worker from the study's trials, as a sentence; NULL if there is none. A PL/pgSQL function,
-- because Postgres plans a claim each time, but a function's query only once per connection.
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
