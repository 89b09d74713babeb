-- Which revision of its schema Optuna has noted.
select version_num from alembic_version
