-- The origins of attempts: code, data and environment. Each content is stored once, under its hash, for all studies.
-- Workers of the previous version do not use this; the origins of their attempts are unknown.

CREATE TABLE hpotool.origins (
    kind    text NOT NULL CHECK (kind IN ('code', 'data', 'environment')),
    hash    text NOT NULL,
    content jsonb NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kind, hash)
);

-- The code and data that the study was created with, or if its creator had neither, those of its first worker.
ALTER TABLE hpotool.study_settings ADD COLUMN code_hash text, ADD COLUMN data_hash text;

-- `differs`: how this worker's code or data differ from the study's, in words; NULL if they do not.
ALTER TABLE hpotool.workers ADD COLUMN environment_hash text, ADD COLUMN differs text;
ALTER TABLE hpotool.attempts ADD COLUMN code_hash text, ADD COLUMN data_hash text;
