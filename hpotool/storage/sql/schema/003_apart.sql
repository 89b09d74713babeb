-- Re-evaluations: replicates that confirm a point, and final trainings, which are not part of the search. They are
-- marked by a system attribute that retries inherit: {"phase", "point", "replicate"}. The previous version's claims
-- keep working: they treat such a trial as part of the search.

-- `apart_from_id`: the lowest id of such a trial; NULL if the study has none, in which case nothing here has a cost.
-- `confirmation`: what was ordered, that is the points, the replicates of each, and the confidence to reach.
ALTER TABLE hpotool.study_settings
    ADD COLUMN apart_from_id integer,
    ADD COLUMN confirmation  jsonb;

CREATE INDEX IF NOT EXISTS hpotool_trials_apart ON trial_system_attributes (trial_id) WHERE key = 'hpotool:phase';

-- A study's re-evaluations by state, the number of unfinished replicates, and the oldest waiting replicate. Final
-- trainings are left out of the last two: only the worker that asked for one runs it. A PL/pgSQL function, because
-- Postgres plans a claim each time: this query is planned only in studies with re-evaluations. STRICT, so that
-- Postgres does not call it at all without `from_id`.
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
