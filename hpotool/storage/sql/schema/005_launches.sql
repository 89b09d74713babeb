-- Workers that `hpotool launch` started elsewhere. `request`: what was asked for, without secrets, so that more
-- workers can be started later. `jobs`: the scheduler's names. A worker records its launch and its own `job` in it.
CREATE TABLE hpotool.launches (
    launch_id   text PRIMARY KEY,
    study_id    integer NOT NULL REFERENCES hpotool.study_settings ON DELETE CASCADE,
    target      text NOT NULL,
    wanted      integer NOT NULL CHECK (wanted >= 0),
    request     jsonb NOT NULL,
    jobs        text[] NOT NULL DEFAULT '{}',
    launched_by text NOT NULL,
    launched_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    stopped_at  timestamptz
);
CREATE INDEX launches_of_study ON hpotool.launches (study_id);
ALTER TABLE hpotool.workers ADD COLUMN launch_id text, ADD COLUMN job text;
