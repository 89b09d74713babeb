-- Many trials of a study in order of id, for the first read. Parameters come as numbers of eight bytes each and as
-- a hash of name and distribution each: what they are is asked once for each combination, not told of each trial.
select t.trial_id, t.number, t.state::text, t.datetime_start, t.datetime_complete,
    v.values, p.hashes, p.packed, u.keys, u.values, s.keys, s.values, l.step, l.value
from (
    select * from trials where study_id = %(study_id)s and trial_id > %(after)s order by trial_id limit %(limit)s
) t
left join lateral (
    select
        string_agg(int8send(hashtextextended(param_name || ' ' || distribution_json, 0)), '' order by param_id),
        string_agg(float8send(coalesce(param_value, 'NaN')), '' order by param_id)
    from trial_params c where c.trial_id = t.trial_id
) p (hashes, packed) on true
-- include: optuna/values_of_trial
-- include: optuna/attributes_of_trial
-- include: optuna/last_step_of_trial
order by t.trial_id
