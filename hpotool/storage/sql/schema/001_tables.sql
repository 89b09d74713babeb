-- hpotool's own tables, in a separate schema next to Optuna's tables.
-- All of them reference study_settings, which references Optuna's studies, so deleting a study by any means also
-- deletes its rows here. Attempts and events do not reference studies directly: the foreign key would lock the row
-- whose FOR UPDATE lock the claims wait for.

CREATE SCHEMA IF NOT EXISTS hpotool;

CREATE TABLE IF NOT EXISTS hpotool.schema_version (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version     integer NOT NULL,
    upgraded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A study's definition and state. All trials numbered below `settled_below` have ended, and `failed_below` of them
-- are FAIL, so counting finished trials does not read them again.
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

-- Every worker that ever registered. `process_space` (the machine's boot and process namespace) and `process_start`
-- (the kernel's start time of the pid) identify the process uniquely.
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

-- One row per attempt. `root_number` identifies the lineage: it is the number of the lineage's first trial.
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

-- Trials queued as retries of other trials. Whether a retry is still waiting is recorded in the trial's state.
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

-- Append-only log: who changed the state of which trial, study or worker, from what to what, and why.
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

-- Small indexes on Optuna's tables, with which a claim costs the same after ten trials as after a hundred thousand.
CREATE INDEX IF NOT EXISTS hpotool_trials_number ON trials (study_id, number) WHERE number IS NOT NULL;
CREATE INDEX IF NOT EXISTS hpotool_trials_unfinished ON trials (study_id, state, trial_id)
    WHERE state IN ('RUNNING', 'WAITING');
CREATE INDEX IF NOT EXISTS hpotool_trials_failed ON trials (study_id, number) WHERE state = 'FAIL';
