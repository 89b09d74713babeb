-- What the user wrote about a trial.
-- Sent twice, it has the effect of once; a trial that is finished or deleted by now takes nothing more.
insert into trial_user_attributes (trial_id, key, value_json)
select t.trial_id, w.key, w.value_json
from unnest(%(trial_ids)s::int[], %(keys)s::text[], %(values)s::text[]) with ordinality w (trial_id, key, value_json, n)
join trials t on t.trial_id = w.trial_id and t.state in ('RUNNING', 'WAITING')
order by w.n
on conflict (trial_id, key) do update set value_json = excluded.value_json
