-- Our indexes, one at a time for all processes. Without the first a new trial's number would cost a scan of the
-- study; without the second, so would finding what waits or runs. The first leaves out the moment in which Optuna
-- has written a trial and not yet its number.
select pg_advisory_xact_lock(7011020250301);
create index if not exists hpotool_trials_number on trials (study_id, number) where number is not null;
create index if not exists hpotool_trials_unfinished on trials (study_id, state, trial_id)
    where state in ('RUNNING', 'WAITING')
