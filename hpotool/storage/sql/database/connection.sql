-- The first queries of a connection.

-- name: database_facts
-- Read once when a connection opens. Names are qualified, because the search path is not set yet.
-- Optuna's tables are those that our own refer to or, without our tables, those that Optuna would find or create.
-- Of the functions, those that this role may call.
SELECT
    COALESCE(
        (SELECT schema.nspname
         FROM pg_catalog.pg_constraint reference
         JOIN pg_catalog.pg_class own ON own.oid = reference.conrelid AND own.relname = 'study_settings'
         JOIN pg_catalog.pg_namespace ours ON ours.oid = own.relnamespace AND ours.nspname = 'hpotool'
         JOIN pg_catalog.pg_class optunas ON optunas.oid = reference.confrelid AND optunas.relname = 'studies'
         JOIN pg_catalog.pg_namespace schema ON schema.oid = optunas.relnamespace
         WHERE reference.contype = 'f'),
        (SELECT schema.nspname
         FROM pg_catalog.pg_class optunas JOIN pg_catalog.pg_namespace schema ON schema.oid = optunas.relnamespace
         WHERE optunas.oid = pg_catalog.to_regclass('trials')),
        pg_catalog.current_schema(),
        'public'),
    pg_catalog.current_setting('synchronous_commit') = 'off',
    ARRAY(SELECT function.proname::text
        FROM pg_catalog.pg_proc function JOIN pg_catalog.pg_namespace schema ON schema.oid = function.pronamespace
        WHERE schema.nspname = 'hpotool' AND function.proname = ANY(%(functions)s::name[])
            AND pg_catalog.has_function_privilege(function.oid, 'EXECUTE'))

-- name: database_identity
-- The cluster's identifier, which its standbys share, and the database's: together they identify the database.
SELECT system_identifier || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())
FROM pg_control_system()
