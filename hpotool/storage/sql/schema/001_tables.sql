-- hpotool's own tables, beside Optuna's and in a schema of their own.
-- They all hang on study_settings, and that on Optuna's studies: deleting a study anywhere deletes its rows here.
-- Attempts and events refer to study_settings, never to studies itself: a foreign key would take a lock on the row
-- whose FOR UPDATE lock the claims queue for.

CREATE SCHEMA IF NOT EXISTS hpotool;

CREATE TABLE IF NOT EXISTS hpotool.schema_version (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version     integer NOT NULL,
    upgraded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What a study is and whether it may go on. The numbers below `settled_below` are final for ever, and `failed_below`
-- of them are FAIL: so counting what finished never looks at them again.
CREATE TABLE hpotool.study_settings (
    study_id         integer PRIMARY KEY REFERENCES studies (study_id) ON DELETE CASCADE,
    spec             jsonb,
    spec_hash        text,
    versions         jsonb NOT NULL DEFAULT '{}',
    budget_trials    integer CHECK (budget_trials >= 0),
    state            text NOT NULL DEFAULT 'running'
                     CHECK (state IN ('running', 'paused', 'draining', 'stopped', 'done')),
    state_reason     text NOT NULL DEFAULT '',
    state_changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    first_claim_at   timestamptz,
    settled_below    integer NOT NULL DEFAULT 0,
    failed_below     integer NOT NULL DEFAULT 0
);

-- Every worker that ever registered. `process_space` and `process_start` name the process beyond doubt: boot and
-- process namespace of its machine, and the kernel's own start time of the pid.
CREATE TABLE hpotool.workers (
    worker_id     text PRIMARY KEY,
    study_id      integer NOT NULL REFERENCES hpotool.study_settings ON DELETE CASCADE,
    host          text NOT NULL,
    pid           integer NOT NULL,
    process_space text NOT NULL,
    process_start text NOT NULL,
    slot          text NOT NULL,
    version       text NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_beat     timestamptz NOT NULL DEFAULT clock_timestamp(),
    told_to       text CHECK (told_to IN ('drain', 'stop')),
    ended_at      timestamptz,
    end_reason    text
);
CREATE INDEX workers_of_study ON hpotool.workers (study_id) WHERE ended_at IS NULL;

-- One row per attempt. `root_number` is the lineage: the number of the trial that was tried first.
CREATE TABLE hpotool.attempts (
    attempt_id    uuid PRIMARY KEY,
    study_id      integer NOT NULL REFERENCES hpotool.study_settings ON DELETE CASCADE,
    trial_id      integer NOT NULL,
    number        integer NOT NULL,
    root_number   integer NOT NULL,
    worker_id     text NOT NULL,
    host          text NOT NULL,
    pid           integer NOT NULL,
    slot          text NOT NULL,
    started_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_beat     timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_progress timestamptz,
    cancel_reason text,
    ended_at      timestamptz,
    ended_by      text,
    outcome       text,
    reason        text,
    output_tail   text,
    gpu           jsonb
) WITH (fillfactor = 80);
CREATE INDEX attempts_of_lineage ON hpotool.attempts (study_id, root_number);
CREATE INDEX attempts_of_worker ON hpotool.attempts (worker_id, started_at);
CREATE INDEX attempts_of_trial ON hpotool.attempts (trial_id);

-- Trials that were queued to try another one again. Whether one still waits is what its trial's state says.
CREATE TABLE hpotool.retries (
    trial_id          integer PRIMARY KEY,
    study_id          integer NOT NULL REFERENCES hpotool.study_settings ON DELETE CASCADE,
    root_number       integer NOT NULL,
    previous_trial_id integer NOT NULL UNIQUE,
    is_counted        boolean NOT NULL,
    queued_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    claimed_at        timestamptz
);
CREATE INDEX retries_unclaimed ON hpotool.retries (study_id, root_number) WHERE claimed_at IS NULL;

-- Append-only: who moved which trial, study or worker from what to what, and why.
CREATE TABLE hpotool.events (
    event_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    study_id   integer NOT NULL REFERENCES hpotool.study_settings ON DELETE CASCADE,
    kind       text NOT NULL,
    trial_id   integer,
    number     integer,
    actor      text NOT NULL,
    from_state text,
    to_state   text,
    reason     text NOT NULL DEFAULT ''
);
CREATE INDEX events_of_study ON hpotool.events (study_id, event_id);

-- On Optuna's tables: small indexes that make a claim cost the same at ten trials and at a hundred thousand.
CREATE INDEX IF NOT EXISTS hpotool_trials_number ON trials (study_id, number) WHERE number IS NOT NULL;
CREATE INDEX IF NOT EXISTS hpotool_trials_unfinished ON trials (study_id, state, trial_id)
    WHERE state IN ('RUNNING', 'WAITING');
CREATE INDEX IF NOT EXISTS hpotool_trials_failed ON trials (study_id, number) WHERE state = 'FAIL';
