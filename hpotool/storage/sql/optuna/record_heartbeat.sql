-- A trial's sign of life. Optuna keeps it in the session's time zone.
insert into trial_heartbeats (trial_id, heartbeat) values (%(trial_id)s, current_timestamp)
on conflict (trial_id) do update set heartbeat = current_timestamp
