-- Whether our indexes are there.
select to_regclass('hpotool_trials_number') is not null and to_regclass('hpotool_trials_unfinished') is not null
