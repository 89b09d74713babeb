-- Branches, which are trials that continue from another trial's checkpoint (population based training, tiers), and
-- finished trials copied from other studies. The previous version's claims keep working: they do not use the new columns.

-- `branch_places`: how much of the budget is reserved for branches; new trials leave room for those not queued yet.
-- `branches_queued`: all branches ever queued, including those that failed permanently and were replaced.
-- `imported_trials`: trials that finished in another study; they do not count against the budget.
ALTER TABLE hpotool.study_settings
    ADD COLUMN branch_places   integer NOT NULL DEFAULT 0 CHECK (branch_places >= 0),
    ADD COLUMN branches_queued integer NOT NULL DEFAULT 0,
    ADD COLUMN imported_trials integer NOT NULL DEFAULT 0;

-- Which trial continues from which. A finished trial has at most one branch that has not failed permanently.
CREATE TABLE hpotool.branches (
    study_id    integer NOT NULL REFERENCES hpotool.study_settings ON DELETE CASCADE,
    predecessor integer NOT NULL,
    number      integer NOT NULL,
    PRIMARY KEY (study_id, predecessor)
);

-- The number of branches that failed permanently. A PL/pgSQL function, because Postgres plans a claim each time: this
-- query is planned only in studies with branches. Inlined into the claim, it cost 1 ms in every study.
CREATE FUNCTION hpotool.count_failed_branches(study integer) RETURNS integer LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT count(*)
        FROM trials t JOIN trial_system_attributes a ON a.trial_id = t.trial_id AND a.key = 'hpotool:branch'
        WHERE t.study_id = study AND t.state = 'FAIL'
            AND NOT EXISTS (SELECT FROM hpotool.retries r WHERE r.previous_trial_id = t.trial_id));
END
$$;
