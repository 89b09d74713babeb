-- Jobs beside the workers, each done by one process for all of them: exporters to other trackers, and the notifier.
-- Nothing here is read or written by a trial. Workers of the version before never look at it.

-- `held_until` is a lease by the database's clock: whoever holds it does the job, and who falls silent loses it.
-- Trials below `sent_below`, and those in `sent_beyond`, are where the job sends them. Events up to `known_event` were
-- there before anybody wanted to be told.
CREATE TABLE hpotool.side_jobs (
    study_id    integer NOT NULL REFERENCES hpotool.study_settings ON DELETE CASCADE,
    job         text NOT NULL,
    job_id      uuid NOT NULL DEFAULT gen_random_uuid(),
    holder      text,
    held_until  timestamptz,
    sent_below  integer NOT NULL DEFAULT 0,
    sent_beyond integer[] NOT NULL DEFAULT '{}',
    refused     integer[] NOT NULL DEFAULT '{}',
    trouble     text,
    trouble_at  timestamptz,
    known_event bigint NOT NULL DEFAULT 0,
    made_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (study_id, job)
);

-- What people are told. `key` says which of its kind a notice is, so that it is entered once whoever notices it. Where
-- it goes is no part of it: addresses hold secrets, and `sent_to` holds salted hashes of those that have it.
CREATE TABLE hpotool.notices (
    notice_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    study_id   integer NOT NULL REFERENCES hpotool.study_settings ON DELETE CASCADE,
    occasion   text NOT NULL,
    key        text NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    title      text NOT NULL,
    body       text NOT NULL,
    holder     text,
    try_after  timestamptz NOT NULL DEFAULT clock_timestamp(),
    tries      integer NOT NULL DEFAULT 0,
    sent_to    text[] NOT NULL DEFAULT '{}',
    sent_at    timestamptz,
    trouble    text,
    UNIQUE (study_id, occasion, key)
);
CREATE INDEX notices_unsent ON hpotool.notices (study_id, notice_id) WHERE sent_at IS NULL;

-- Events that are told are a handful among those of every trial.
CREATE INDEX events_beside_trials ON hpotool.events (study_id, event_id)
    WHERE kind NOT IN ('claim', 'finish', 'reap', 'retry', 'requeue', 'enqueue', 'branch', 'take-over');
