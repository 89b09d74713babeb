-- Optuna's tables and their indexes.

-- name: has_optuna_tables
-- Whether the tables are there and complete: Optuna writes its revision last.
select to_regclass('alembic_version') is not null and to_regclass('trials') is not null

-- name: read_revision
-- Which revision of its schema Optuna has noted.
select version_num from alembic_version

-- name: has_indexes
-- Whether our indexes are there, and whether the one of the numbers is unique.
select to_regclass('hpotool_trials_number') is not null and to_regclass('hpotool_trials_unfinished') is not null,
    exists (select from pg_index where indexrelid = to_regclass('hpotool_trials_number') and indisunique)

-- name: create_indexes
-- Our indexes, one at a time for all processes. Without the first a new trial's number would cost a scan of the
-- study; without the second, so would finding what waits or runs. The first leaves out the moment in which Optuna
-- has written a trial and not yet its number.
-- The first is unique too, so that no setting and no mistake can give a number twice: made so, and what an earlier
-- hpotool made without that rule replaced, unless numbers were given twice already.
select pg_advisory_xact_lock(7011020250301);
do $$
begin
    if not exists (
        select from pg_index where indexrelid = to_regclass('hpotool_trials_number') and indisunique
    ) then
        create unique index hpotool_trials_number_once on trials (study_id, number) where number is not null;
        drop index if exists hpotool_trials_number;
        alter index hpotool_trials_number_once rename to hpotool_trials_number;
    end if;
exception when unique_violation then
    create index if not exists hpotool_trials_number on trials (study_id, number) where number is not null;
end
$$;
create index if not exists hpotool_trials_unfinished on trials (study_id, state, trial_id)
    where state in ('RUNNING', 'WAITING')

-- name: find_numbers_given_twice
-- The numbers that more than one trial of a study has, by the study's name.
select study_name, array_agg(number order by number)
from (
    select study_id, number from trials where number is not null group by study_id, number having count(*) > 1
) twice
join studies using (study_id)
group by study_name
order by study_name
