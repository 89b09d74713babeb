-- The cluster's own number, which its standbys share, and the database's: one database, whatever leads to it.
SELECT system_identifier || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())
FROM pg_control_system()
