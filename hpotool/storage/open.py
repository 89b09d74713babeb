"""Opens a study's storage; the only entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpotool.storage.database.url import DatabaseUrl

if TYPE_CHECKING:
    from hpotool.storage.optuna.heartbeats import StaleTrialCallback
    from hpotool.storage.optuna.postgres import PostgresStorage


def open_storage(
    url: str,
    *,
    heartbeat_interval: int | None = None,
    grace_period: int | None = None,
    heartbeat_stale_trial_callback: StaleTrialCallback | None = None,
    hides_reevaluations: bool = True,
) -> PostgresStorage:
    """Open the Postgres database at ``url`` as an Optuna storage; missing Optuna tables are created.

    It can be used in plain Optuna scripts: ``optuna.load_study(storage=hpotool.open_storage(url), …)``. The other
    arguments are those of Optuna's ``RDBStorage``. ``hides_reevaluations``: see `PostgresStorage`.

    Raises:
        InputError: ``url`` is not a Postgres URL, or its tables belong to another version of Optuna.
        DatabaseUnreachableError: the database does not answer, or refuses the login.
    """
    from hpotool.storage.optuna.postgres import PostgresStorage

    return PostgresStorage(
        DatabaseUrl.parse(url),
        heartbeat_interval=heartbeat_interval,
        grace_period=grace_period,
        heartbeat_stale_trial_callback=heartbeat_stale_trial_callback,
        hides_reevaluations=hides_reevaluations,
    )
