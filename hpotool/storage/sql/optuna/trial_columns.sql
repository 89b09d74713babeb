-- A trial's row as hpotool.storage.optuna.decoding reads it.
t.trial_id, t.study_id, t.number, t.state::text, t.datetime_start, t.datetime_complete,
v.values, p.names, p.values, p.distributions, u.keys, u.values, s.keys, s.values,
i.steps, i.values, l.step, l.value
