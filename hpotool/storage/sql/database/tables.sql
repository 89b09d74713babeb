-- Optuna's tables and their indexes.

-- name: has_optuna_tables
-- Whether the tables exist and are complete: Optuna writes its revision last.
select to_regclass('alembic_version') is not null and to_regclass('trials') is not null

-- name: read_revision
-- The revision of Optuna's schema.
select version_num from alembic_version

-- name: has_indexes
-- Whether our indexes exist, and whether the one on numbers is unique.
select to_regclass('hpotool_trials_number') is not null and to_regclass('hpotool_trials_unfinished') is not null,
    exists (select from pg_index where indexrelid = to_regclass('hpotool_trials_number') and indisunique)

-- name: create_indexes
-- Create our indexes, in one process at a time. Without the first, numbering a new trial would scan the study; without
-- the second, so would finding waiting or running trials. The first excludes the moment in which Optuna has written a
-- trial but not yet its number.
-- The first is also unique, so that no setting and no mistake can give a number twice. An index of an earlier hpotool
-- that is not unique is replaced, unless there are duplicate numbers already.
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
-- Numbers that more than one trial of a study has, by the study's name.
select study_name, array_agg(number order by number)
from (
    select study_id, number from trials where number is not null group by study_id, number having count(*) > 1
) twice
join studies using (study_id)
group by study_name
order by study_name
