"""The one door to a study's storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpotool.storage.url import DatabaseUrl

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


def open_storage(url: str) -> BaseStorage:
    """Open the Postgres database at ``url`` as an Optuna storage.

    It serves plain Optuna scripts too: ``optuna.load_study(storage=hpotool.open_storage(url), …)``.

    Raises:
        InputError: ``url`` is not a Postgres URL.
    """
    from optuna.storages import RDBStorage

    return RDBStorage(DatabaseUrl.parse(url).sqlalchemy, engine_kwargs={"pool_pre_ping": True})
