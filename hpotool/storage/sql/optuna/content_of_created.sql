-- All that belongs to the trial in `created`. Continues a WITH.
), v as (
    insert into trial_values (trial_id, objective, value, value_type)
    select trial_id, n - 1, value, type::trialvaluetype
    from created, unnest(%(values)s::float8[], %(value_types)s::text[]) with ordinality w (value, type, n)
), p as (
    insert into trial_params (trial_id, param_name, param_value, distribution_json)
    select trial_id, name, value, distribution
    from created, unnest(%(param_names)s::text[], %(param_values)s::float8[], %(distributions)s::text[])
        with ordinality w (name, value, distribution, n)
    order by n
), i as (
    insert into trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)
    select trial_id, step, value, type::trialintermediatevaluetype
    from created, unnest(%(steps)s::int[], %(step_values)s::float8[], %(step_types)s::text[])
        with ordinality w (step, value, type, n)
    order by n
), u as (
    insert into trial_user_attributes (trial_id, key, value_json)
    select trial_id, key, value_json
    from created, unnest(%(user_keys)s::text[], %(user_values)s::text[]) with ordinality w (key, value_json, n)
    order by n
), s as (
    insert into trial_system_attributes (trial_id, key, value_json)
    select trial_id, key, value_json
    from created, unnest(%(system_keys)s::text[], %(system_values)s::text[]) with ordinality w (key, value_json, n)
    order by n
