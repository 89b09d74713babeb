-- What a connection asks first.

-- name: database_facts
-- What a connection asks once, when it opens. The names are qualified: nothing is known yet of the search path.
-- Optuna's tables are those that our own refer to; where we have none, those that Optuna itself would find or make.
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
    pg_catalog.current_setting('synchronous_commit') = 'off'

-- name: database_identity
-- The cluster's own number, which its standbys share, and the database's: one database, whatever leads to it.
SELECT system_identifier || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())
FROM pg_control_system()
