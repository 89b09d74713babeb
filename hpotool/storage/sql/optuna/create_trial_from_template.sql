-- A trial as it is given (enqueued, copied from elsewhere), with everything that belongs to it.
select 1 from studies where study_id = %(study_id)s for update;
with created as (
    insert into trials (number, study_id, state, datetime_start, datetime_complete)
    select
        coalesce((select max(number) + 1 from trials where study_id = %(study_id)s), 0),
        study_id, %(state)s::trialstate, %(datetime_start)s::timestamp, %(datetime_complete)s::timestamp
    from studies where study_id = %(study_id)s
    returning trial_id, number
-- include: optuna/content_of_created
)
select trial_id, number from created
