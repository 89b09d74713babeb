-- Trials apart from the search: replicates that confirm a point, and final trainings. A system attribute marks each,
-- and its retries inherit it: {"phase", "point", "replicate"}. Claims of the version before go on working: they take
-- such a trial for one of the search.

-- `apart_from_id` is the id from which on the study has such trials; NULL: none, and then nothing here costs anything.
-- `confirmation` is the order: which points, how many replicates of each, and until which confidence.
ALTER TABLE hpotool.study_settings
    ADD COLUMN apart_from_id integer,
    ADD COLUMN confirmation  jsonb;

CREATE INDEX IF NOT EXISTS hpotool_trials_apart ON trial_system_attributes (trial_id) WHERE key = 'hpotool:phase';

-- How many trials apart from the search a study has in each state, and of the replicates how many run or wait and which is
-- the oldest that waits: a final training is for the one who asked for it, so nobody waits for one. In PL/pgSQL, because a
-- claim is planned anew each time: what is written here is only planned in studies that have any. STRICT: without
-- `from_id` it is not even called.
CREATE FUNCTION hpotool.count_apart(
    study integer, from_id integer,
    OUT finished integer, OUT running integer, OUT waiting integer, OUT failed integer,
    OUT replicates_open integer, OUT next_waiting integer
) LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
    SELECT count(*) FILTER (WHERE t.state IN ('COMPLETE', 'PRUNED')), count(*) FILTER (WHERE t.state = 'RUNNING'),
        count(*) FILTER (WHERE t.state = 'WAITING'), count(*) FILTER (WHERE t.state = 'FAIL'),
        count(*) FILTER (WHERE t.state IN ('RUNNING', 'WAITING') AND a.value_json::json ->> 'phase' = 'confirm'),
        min(t.trial_id) FILTER (WHERE t.state = 'WAITING' AND a.value_json::json ->> 'phase' = 'confirm')
    INTO finished, running, waiting, failed, replicates_open, next_waiting
    FROM trial_system_attributes a JOIN trials t ON t.trial_id = a.trial_id
    WHERE a.key = 'hpotool:phase' AND a.trial_id >= from_id AND t.study_id = study;
END
$$;
