-- Pools (several studies sharing a fleet) and quotas of study owners. Workers of the previous version do not use any of
-- this. Generated columns and triggers keep it in step with the studies' settings, so changes made by the previous
-- version take effect here too.

-- Claims read these along with the rest of the row. They are derived from `spec`, which is the only place to set them.
ALTER TABLE hpotool.study_settings
    ADD COLUMN pool        text GENERATED ALWAYS AS (spec ->> 'pool') STORED,
    ADD COLUMN owner       text GENERATED ALWAYS AS (spec ->> 'owner') STORED,
    ADD COLUMN max_running integer GENERATED ALWAYS AS ((spec ->> 'max_running')::integer) STORED;

-- For a worker of a pool, `study_id` is the study it currently serves: NULL before its first one, or if it was deleted.
ALTER TABLE hpotool.workers ADD COLUMN pool text;
ALTER TABLE hpotool.workers ALTER COLUMN study_id DROP NOT NULL;
CREATE INDEX workers_of_pool ON hpotool.workers (pool) WHERE ended_at IS NULL AND pool IS NOT NULL;

-- `pool` and `owner`: who an attempt's time is charged to. `yields_to`: the study that an attempt was asked to make room
-- for; only attempts with a checkpoint are asked. No index covers `ended_at`, because every attempt's end would pay for it.
ALTER TABLE hpotool.attempts
    ADD COLUMN pool           text,
    ADD COLUMN owner          text,
    ADD COLUMN has_checkpoint boolean NOT NULL DEFAULT false,
    ADD COLUMN yields_to      text;

-- The studies of each pool. A worker chooses one by reading the first row of the index below.
-- `pass`: worker time divided by weight (stride scheduling), so the study with the smallest pass is furthest below its
-- share. A choice adds the expected duration of a trial (`trial_s`); the worker's next choice corrects it.
-- `is_open`: false after a claim that found nothing, until `look_again_at` ('infinity': the study is over; the year
-- 9999: somebody has to resume it) or until its settings change. A change also increments `version`, so that a refusal
-- from before the change does not close the study.
-- There is no foreign key: Postgres would lock the study's settings when a choice updates a row twice, while whoever
-- changes those settings holds that lock and waits for this row: a deadlock. The triggers keep the table in step.
CREATE TABLE hpotool.pool_places (
    study_id       integer PRIMARY KEY,
    pool           text NOT NULL,
    priority       integer NOT NULL,
    weight         double precision NOT NULL CHECK (weight > 0),
    preempts       boolean NOT NULL,
    pass           double precision NOT NULL,
    trial_s        double precision NOT NULL DEFAULT 1,
    is_open        boolean NOT NULL DEFAULT true,
    closed_because text,
    refusals       integer NOT NULL DEFAULT 0,
    look_again_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    version        integer NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
CREATE INDEX pool_places_open ON hpotool.pool_places (pool, priority DESC, pass, study_id) WHERE is_open;
CREATE INDEX pool_places_closed ON hpotool.pool_places (pool, look_again_at) WHERE NOT is_open;
CREATE INDEX pool_places_preempting ON hpotool.pool_places (pool, priority DESC) WHERE preempts;

-- The pass of the study chosen last in each priority. A study that opens starts here, so that it cannot claim the whole
-- pool to make up for the time in which it had nothing to do.
CREATE TABLE hpotool.pool_clocks (
    pool     text NOT NULL,
    priority integer NOT NULL,
    pass     double precision NOT NULL,
    PRIMARY KEY (pool, priority)
);

CREATE FUNCTION hpotool.pool_clock(in_pool text, of_priority integer) RETURNS double precision LANGUAGE sql STABLE AS $$
    SELECT COALESCE((SELECT pass FROM hpotool.pool_clocks c WHERE c.pool = in_pool AND c.priority = of_priority), 0)
$$;

-- Enters a study into its pool, removes it, or reopens it, whenever its settings or state change or replicates are queued.
CREATE FUNCTION hpotool.follow_settings() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    given_priority integer := COALESCE((NEW.spec ->> 'priority')::integer, 0);
    runs boolean := NEW.state IN ('running', 'done');
BEGIN
    IF NEW.pool IS NULL THEN
        DELETE FROM hpotool.pool_places WHERE study_id = NEW.study_id;
        RETURN NULL;
    END IF;
    INSERT INTO hpotool.pool_places AS p (study_id, pool, priority, weight, preempts, pass, is_open, closed_because,
        look_again_at)
    VALUES (NEW.study_id, NEW.pool, given_priority, COALESCE((NEW.spec ->> 'weight')::double precision, 1),
        COALESCE((NEW.spec ->> 'preempt')::boolean, false), hpotool.pool_clock(NEW.pool, given_priority),
        runs, CASE WHEN NOT runs THEN NEW.state END,
        CASE WHEN runs THEN clock_timestamp() WHEN NEW.state = 'paused' THEN '9999-12-31' ELSE 'infinity' END)
    ON CONFLICT (study_id) DO UPDATE
    SET pool = EXCLUDED.pool, priority = EXCLUDED.priority, weight = EXCLUDED.weight, preempts = EXCLUDED.preempts,
        pass = CASE WHEN (p.pool, p.priority) = (EXCLUDED.pool, EXCLUDED.priority) THEN GREATEST(p.pass, EXCLUDED.pass)
            ELSE EXCLUDED.pass END,
        is_open = EXCLUDED.is_open, closed_because = EXCLUDED.closed_because, look_again_at = EXCLUDED.look_again_at,
        refusals = 0, version = p.version + 1;
    RETURN NULL;
END
$$;
CREATE FUNCTION hpotool.leave_pool() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM hpotool.pool_places WHERE study_id = OLD.study_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER leave_pool AFTER DELETE ON hpotool.study_settings
    FOR EACH ROW WHEN (OLD.pool IS NOT NULL) EXECUTE FUNCTION hpotool.leave_pool();
CREATE TRIGGER follow_settings
    AFTER INSERT OR UPDATE OF spec, state, confirmation, apart_from_id ON hpotool.study_settings
    FOR EACH ROW EXECUTE FUNCTION hpotool.follow_settings();

-- The number of GPUs of a worker's slot; must agree with `gpus_of_slot` in Python.
CREATE FUNCTION hpotool.gpus_of_slot(slot text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN devices IN ('', 'cpu', 'none') THEN 0 ELSE cardinality(string_to_array(devices, ',')) END
    FROM (SELECT btrim(regexp_replace(split_part(slot, '(', 1), '^gpu', '')) AS devices) named
$$;

-- How many GPU-hours an owner's studies may use per day, week or month (UTC).
CREATE TABLE hpotool.quotas (
    owner     text NOT NULL,
    period    text NOT NULL CHECK (period IN ('day', 'week', 'month')),
    gpu_hours double precision NOT NULL CHECK (gpu_hours >= 0),
    set_by    text NOT NULL,
    set_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (owner, period)
);

-- The usage that quotas are compared with: per day, and running attempts. Triggers maintain it. A comparison reads at
-- most 31 days. Days are kept when their study is deleted.
CREATE TABLE hpotool.owner_days (
    owner       text NOT NULL,
    day         date NOT NULL,
    gpu_seconds double precision NOT NULL,
    PRIMARY KEY (owner, day)
);
CREATE TABLE hpotool.owner_running (
    attempt_id uuid PRIMARY KEY REFERENCES hpotool.attempts ON DELETE CASCADE,
    owner      text NOT NULL,
    gpus       integer NOT NULL,
    started_at timestamptz NOT NULL
);
CREATE INDEX owner_running_of ON hpotool.owner_running (owner);

CREATE FUNCTION hpotool.count_gpu_begin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO hpotool.owner_running (attempt_id, owner, gpus, started_at)
    SELECT NEW.attempt_id, NEW.owner, hpotool.gpus_of_slot(NEW.slot), NEW.started_at
    WHERE hpotool.gpus_of_slot(NEW.slot) > 0;
    RETURN NULL;
END
$$;
CREATE TRIGGER count_gpu_begin AFTER INSERT ON hpotool.attempts
    FOR EACH ROW WHEN (NEW.owner IS NOT NULL AND NEW.ended_at IS NULL) EXECUTE FUNCTION hpotool.count_gpu_begin();

-- An attempt that ran past midnight is split among the days.
CREATE FUNCTION hpotool.count_gpu_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM hpotool.owner_running WHERE attempt_id = NEW.attempt_id;
    INSERT INTO hpotool.owner_days AS d (owner, day, gpu_seconds)
    SELECT NEW.owner, day::date, hpotool.gpus_of_slot(NEW.slot)
        * extract(epoch FROM LEAST(ended, day + interval '1 day') - GREATEST(began, day))
    FROM (SELECT NEW.started_at AT TIME ZONE 'utc' AS began, NEW.ended_at AT TIME ZONE 'utc' AS ended) run,
        generate_series(date_trunc('day', began), ended, interval '1 day') AS day
    WHERE ended > began AND hpotool.gpus_of_slot(NEW.slot) > 0
    ORDER BY day
    ON CONFLICT (owner, day) DO UPDATE SET gpu_seconds = d.gpu_seconds + EXCLUDED.gpu_seconds;
    RETURN NULL;
END
$$;
CREATE TRIGGER count_gpu_end AFTER UPDATE OF ended_at ON hpotool.attempts
    FOR EACH ROW WHEN (NEW.owner IS NOT NULL AND OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL)
    EXECUTE FUNCTION hpotool.count_gpu_end();

-- The GPU-hours that an owner has used in the current day, week or month, including running attempts.
CREATE FUNCTION hpotool.gpu_hours_used(by_owner text, in_period text) RETURNS double precision LANGUAGE plpgsql STABLE AS $$
DECLARE
    since timestamp := date_trunc(in_period, clock_timestamp() AT TIME ZONE 'utc');
BEGIN
    RETURN ((SELECT COALESCE(sum(gpu_seconds), 0) FROM hpotool.owner_days d WHERE d.owner = by_owner AND d.day >= since::date)
        + (SELECT COALESCE(sum(gpus * GREATEST(0, extract(epoch FROM
                (clock_timestamp() AT TIME ZONE 'utc') - GREATEST(since, started_at AT TIME ZONE 'utc')))), 0)
           FROM hpotool.owner_running r WHERE r.owner = by_owner)) / 3600;
END
$$;

-- Why an owner's studies have to wait, and until when; NULL if they do not. A PL/pgSQL function, so that a claim plans
-- the query only in studies with an owner.
CREATE FUNCTION hpotool.over_quota(by_owner text) RETURNS text LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
    RETURN (
        SELECT format('%s has used %s of %s GPU-hours of this %s, and may go on at %s UTC', q.owner,
            round(hpotool.gpu_hours_used(q.owner, q.period)::numeric, 2), q.gpu_hours, q.period,
            to_char(date_trunc(q.period, clock_timestamp() AT TIME ZONE 'utc') + ('1 ' || q.period)::interval,
                'YYYY-MM-DD HH24:MI'))
        FROM hpotool.quotas q
        WHERE q.owner = by_owner AND hpotool.gpu_hours_used(q.owner, q.period) >= q.gpu_hours
        ORDER BY CASE q.period WHEN 'month' THEN 0 WHEN 'week' THEN 1 ELSE 2 END LIMIT 1);
END
$$;

-- How long to skip a study that had nothing to claim. A worker that ends one of its trials reopens it at once; this is
-- for changes made by others, for example an enqueued point.
CREATE FUNCTION hpotool.pause_after(refusals integer) RETURNS interval LANGUAGE sql IMMUTABLE AS $$
    SELECT LEAST(10, power(2, LEAST(refusals, 4))) * interval '1 second'
$$;

-- Chooses the study that a pool's worker serves next, and charges it for the turn: the open study with the highest
-- priority, and of those the smallest pass. One worker per pool chooses at a time, so that no two decide on the same
-- numbers. First, the worker's previous turn (`served`) is settled: `took_s` is its duration (0: this worker cannot run
-- the study). If there was nothing to claim, the study is closed for `refused_because`, unless the reason concerns only
-- this worker (a quarantine or its GPUs). The function locks rows of pool_places only, because whoever changes a study
-- locks its settings first and then, by the trigger above, its row here.
CREATE FUNCTION hpotool.choose_study(
    in_pool text, unfit integer[], served integer, took_s double precision, charged double precision,
    refused_because text, seen_version integer,
    OUT study_id integer, OUT charged_s double precision, OUT version integer, OUT may_come boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    candidate record;
    reason text;
    now_ timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('hpotool.pool'), hashtext(in_pool));
    now_ := clock_timestamp();
    IF served IS NOT NULL AND refused_because IS NULL THEN
        UPDATE hpotool.pool_places p
        SET pass = p.pass + (took_s - charged) / p.weight, trial_s = CASE WHEN took_s > 0 THEN (p.trial_s * 3 + took_s) / 4 ELSE p.trial_s END, refusals = 0,
            is_open = p.is_open OR p.closed_because IN ('wait', 'capped', 'quota'),
            closed_because = CASE WHEN p.closed_because NOT IN ('wait', 'capped', 'quota') THEN p.closed_because END
        WHERE p.study_id = served AND p.pool = in_pool;
    ELSIF served IS NOT NULL AND refused_because IN ('quarantined', 'device') THEN
        UPDATE hpotool.pool_places p SET pass = p.pass - charged / p.weight WHERE p.study_id = served AND p.pool = in_pool;
    ELSIF served IS NOT NULL THEN
        UPDATE hpotool.pool_places p
        SET pass = p.pass - charged / p.weight, is_open = false, closed_because = refused_because,
            refusals = p.refusals + 1,
            look_again_at = CASE WHEN refused_because IN ('wait', 'capped', 'quota')
                THEN now_ + hpotool.pause_after(p.refusals)
                WHEN refused_because = 'paused' THEN '9999-12-31' ELSE 'infinity' END
        WHERE p.study_id = served AND p.pool = in_pool AND p.version = seen_version;
    END IF;
    UPDATE hpotool.pool_places p
    SET is_open = true, closed_because = NULL, pass = GREATEST(p.pass, hpotool.pool_clock(p.pool, p.priority))
    WHERE p.study_id IN (
        SELECT q.study_id FROM hpotool.pool_places q
        WHERE q.pool = in_pool AND NOT q.is_open AND q.look_again_at <= now_ ORDER BY q.look_again_at LIMIT 5);
    LOOP
        SELECT p.* INTO candidate FROM hpotool.pool_places p
        WHERE p.pool = in_pool AND p.is_open AND p.study_id <> ALL (unfit)
        ORDER BY p.priority DESC, p.pass, p.study_id LIMIT 1;
        EXIT WHEN NOT FOUND;
        SELECT CASE
            WHEN s.max_running <= (
                SELECT count(*) FROM trials t WHERE t.study_id = s.study_id AND t.state = 'RUNNING') THEN 'capped'
            WHEN s.owner IS NOT NULL AND hpotool.over_quota(s.owner) IS NOT NULL THEN 'quota'
            END
        INTO reason FROM hpotool.study_settings s WHERE s.study_id = candidate.study_id;
        IF reason IS NULL THEN
            UPDATE hpotool.pool_places p SET pass = p.pass + p.trial_s / p.weight WHERE p.study_id = candidate.study_id;
            INSERT INTO hpotool.pool_clocks AS c (pool, priority, pass)
            VALUES (in_pool, candidate.priority, candidate.pass)
            ON CONFLICT (pool, priority) DO UPDATE SET pass = GREATEST(c.pass, EXCLUDED.pass);
            study_id := candidate.study_id; charged_s := candidate.trial_s; version := candidate.version;
            may_come := true;
            RETURN;
        END IF;
        UPDATE hpotool.pool_places p
        SET is_open = false, closed_because = reason, refusals = p.refusals + 1,
            look_again_at = now_ + hpotool.pause_after(p.refusals)
        WHERE p.study_id = candidate.study_id;
    END LOOP;
    may_come := EXISTS (
        SELECT FROM hpotool.pool_places p
        WHERE p.pool = in_pool AND NOT p.is_open AND p.look_again_at < 'infinity' AND p.study_id <> ALL (unfit));
END
$$;
