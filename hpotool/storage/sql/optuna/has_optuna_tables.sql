-- Whether the tables are there and complete: Optuna writes its revision last.
select to_regclass('alembic_version') is not null and to_regclass('trials') is not null
