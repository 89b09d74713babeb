-- Values and state of a trial that is not finished; the state it had before, and when it finished.
select 1 from trials where trial_id = %(trial_id)s for update;
insert into trial_values (trial_id, objective, value, value_type)
select t.trial_id, n - 1, value, type::trialvaluetype
from trials t, unnest(%(values)s::float8[], %(value_types)s::text[]) with ordinality w (value, type, n)
where t.trial_id = %(trial_id)s and t.state in ('RUNNING', 'WAITING')
on conflict (trial_id, objective) do update set value = excluded.value, value_type = excluded.value_type;
with changed as (
    update trials set
        state = %(state)s::trialstate,
        datetime_complete = case when %(finished)s then clock_timestamp() at time zone 'utc' end
    where trial_id = %(trial_id)s and state in ('RUNNING', 'WAITING')
    returning datetime_complete
)
select state::text, (select datetime_complete from changed) from trials where trial_id = %(trial_id)s
