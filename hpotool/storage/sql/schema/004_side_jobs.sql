-- Side jobs, which one process does on behalf of all workers: exporting to trackers, and notifying. Trials neither
-- read nor write these tables, and workers of the previous version do not use them.

-- `held_until`: a lease by the database's clock. Its holder does the job; a holder that stops renewing it loses it.
-- Trials numbered below `sent_below`, and those in `sent_beyond`, have been sent. Events up to `known_event` are
-- older than the job, and nobody is notified of them.
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

-- Notifications. `key` distinguishes notices of one kind, so that each is entered once, whoever notices it. Addresses
-- contain secrets and are not stored; `sent_to` holds salted hashes of those that have received the notice.
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

-- The few events worth a notification, among the many that every trial writes.
CREATE INDEX events_beside_trials ON hpotool.events (study_id, event_id)
    WHERE kind NOT IN ('claim', 'finish', 'reap', 'retry', 'requeue', 'enqueue', 'branch', 'take-over');
