-- The lock that Optuna itself takes to number a trial: plain Optuna workers and ours queue for the same row.
SELECT FROM studies WHERE study_id = %(study_id)s FOR UPDATE;
