-- Whether our indexes are there, and whether the one of the numbers is unique.
select to_regclass('hpotool_trials_number') is not null and to_regclass('hpotool_trials_unfinished') is not null,
    exists (select from pg_index where indexrelid = to_regclass('hpotool_trials_number') and indisunique)
