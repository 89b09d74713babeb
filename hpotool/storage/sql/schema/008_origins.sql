-- What attempts come from: their code, data and environment. Each content is kept once, under its hash, for all studies.
-- Workers of the version before neither read nor write any of it; of their attempts the origin is not known.

CREATE TABLE hpotool.origins (
    kind    text NOT NULL CHECK (kind IN ('code', 'data', 'environment')),
    hash    text NOT NULL,
    content jsonb NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kind, hash)
);

-- A study has the code and data that it was created with; where its creator saw none of it, those of its first worker.
ALTER TABLE hpotool.study_settings ADD COLUMN code_hash text, ADD COLUMN data_hash text;

-- `differs`: what is not the same on this worker as in the study, in words; NULL where everything is.
ALTER TABLE hpotool.workers ADD COLUMN environment_hash text, ADD COLUMN differs text;
ALTER TABLE hpotool.attempts ADD COLUMN code_hash text, ADD COLUMN data_hash text;
