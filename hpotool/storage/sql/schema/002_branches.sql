-- Trials that go on from another trial's checkpoint (population based training, tiers), and trials that were taken
-- over as finished. Claims of the version before go on working: they neither read the new columns nor need them.

-- `branch_places` of the budget's places are for branches: a new trial leaves as many free as are not queued yet.
-- `branches_queued` counts every branch that was ever queued, those that failed for good and were replaced included.
-- `imported_trials` finished elsewhere, and take no place of the budget.
ALTER TABLE hpotool.study_settings
    ADD COLUMN branch_places   integer NOT NULL DEFAULT 0 CHECK (branch_places >= 0),
    ADD COLUMN branches_queued integer NOT NULL DEFAULT 0,
    ADD COLUMN imported_trials integer NOT NULL DEFAULT 0;

-- Which trial goes on from which: from each finished trial at most one that has not failed for good.
CREATE TABLE hpotool.branches (
    study_id    integer NOT NULL REFERENCES hpotool.study_settings ON DELETE CASCADE,
    predecessor integer NOT NULL,
    number      integer NOT NULL,
    PRIMARY KEY (study_id, predecessor)
);

-- How many branches failed for good. In PL/pgSQL, because a claim is planned anew each time: what is written here is
-- only planned in studies that have branches. Written out in the claim it cost every study's claim 1 ms.
CREATE FUNCTION hpotool.count_failed_branches(study integer) RETURNS integer LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT count(*)
        FROM trials t JOIN trial_system_attributes a ON a.trial_id = t.trial_id AND a.key = 'hpotool:branch'
        WHERE t.study_id = study AND t.state = 'FAIL'
            AND NOT EXISTS (SELECT FROM hpotool.retries r WHERE r.previous_trial_id = t.trial_id));
END
$$;
