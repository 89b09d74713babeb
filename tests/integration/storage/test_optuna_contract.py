"""Optuna's own contract for storages, unchanged and whole."""

import multiprocessing

import pytest
from optuna.storages import RDBStorage
from optuna.testing.pytest_storages import StorageTestCase

from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.open import open_storage


class TestPostgresStorage(StorageTestCase):
    @pytest.fixture
    def storage(self, study_database_url):
        return open_storage(study_database_url)


def test_twenty_processes_that_meet_in_an_empty_database_all_open_it(database_url):
    # Not forked from here: what other tests have imported runs threads, and a child may inherit a lock of theirs.
    context = multiprocessing.get_context("forkserver")
    met = context.Barrier(20)
    started = [context.Process(target=_open_together, args=(met, database_url)) for _ in range(20)]
    for process in started:
        process.start()
    for process in started:
        process.join(timeout=120)
    assert [process.exitcode for process in started] == [0] * 20
    # Optuna's own storage finds nothing left to do.
    assert RDBStorage(DatabaseUrl.parse(database_url).sqlalchemy).get_current_version() == "v3.2.0.a"


def _open_together(met, database_url):
    met.wait(timeout=60)
    assert open_storage(database_url).get_all_studies() == []
