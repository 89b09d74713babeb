-- A new study with its directions; no row when the name is taken.
with created as (
    insert into studies (study_name) values (%(name)s) on conflict (study_name) do nothing returning study_id
), directed as (
    insert into study_directions (direction, study_id, objective)
    select direction::studydirection, study_id, n - 1
    from created, unnest(%(directions)s::text[]) with ordinality w (direction, n)
)
select study_id from created
