"""What every test gets: an environment of its own, and a Postgres when it asks for one.

``database_url``        a fresh, empty database
``study_database_url``  a fresh database with Optuna's tables and our own
``postgres``            the run's server, for a test that needs several databases; never stop it
``own_postgres``        a server of the test's own, to stop, kill and start again
``hpotool_home``        the folder that HPOTOOL_HOME names in this test, made; Postgres can live in it
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from hypothesis.internal.conjecture import providers

from tests.examples import AMOUNT, examples
from tests.postgres import (
    OPTUNA_TEMPLATE,
    TestServer,
    ensure_template,
    open_run_folder,
    private_server,
    run_folder,
    shared_server,
)

_ALIVE = pytest.StashKey()

# How long an example takes says nothing about hpotool on a machine that is shared.
# The same examples in each run, so that what passes here passes elsewhere; `make test-properties` draws others.
hypothesis.settings.register_profile(
    AMOUNT, deadline=None, derandomize=AMOUNT != "search", max_examples=examples(100)
)
hypothesis.settings.load_profile(AMOUNT)
if AMOUNT != "search" and hasattr(providers, "_get_local_constants"):
    # It also draws the constants of every module imported so far, which depend on the tests that run beside it.
    providers._get_local_constants = lambda: providers._local_constants

# Collecting makes a million objects that stay; looking through them again and again took a fifth of the CPU time.
gc.disable()


def pytest_configure(config: pytest.Config) -> None:
    is_xdist_worker = hasattr(config, "workerinput")
    if not is_xdist_worker:
        config.stash[_ALIVE] = open_run_folder()


def pytest_unconfigure(config: pytest.Config) -> None:
    if _ALIVE in config.stash:
        config.stash[_ALIVE].close()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 100)


@pytest.fixture(scope="session")
def empty_config(tmp_path_factory: pytest.TempPathFactory) -> str:
    empty = tmp_path_factory.getbasetemp() / "empty-config.yaml"
    empty.touch()
    return str(empty)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, empty_config: str) -> None:
    """No test sees the developer's own database and settings, or leaves traces in their home."""
    for name in list(os.environ):
        if name.startswith(("HPOTOOL_", "PG")) and not name.startswith("HPOTOOL_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HPOTOOL_CONFIG", empty_config)
    # In the run's folder, where a server that a command starts by itself is stopped at the latest with the run.
    monkeypatch.setenv("HPOTOOL_HOME", str(run_folder() / f"home-{uuid.uuid4().hex}"))


@pytest.fixture
def hpotool_home() -> Iterator[Path]:
    folder = Path(os.environ["HPOTOOL_HOME"])
    folder.mkdir(mode=0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> TestServer:
    return shared_server()


@pytest.fixture
def own_postgres() -> Iterator[TestServer]:
    server = private_server()
    yield server
    server.cluster.stop(signal.SIGQUIT)
    shutil.rmtree(server.cluster.data.parent, ignore_errors=True)


@pytest.fixture
def database_url(postgres: TestServer) -> Iterator[str]:
    with postgres.database(f"test_{uuid.uuid4().hex}") as url:
        yield url


@pytest.fixture
def study_database_url(postgres: TestServer) -> Iterator[str]:
    ensure_template(postgres, OPTUNA_TEMPLATE, _install_tables)
    with postgres.database(f"test_{uuid.uuid4().hex}", OPTUNA_TEMPLATE) as url:
        yield url


def _install_tables(url: str) -> None:
    from hpotool.storage.database.schema import ensure_schema
    from hpotool.storage.database.url import DatabaseUrl

    ensure_schema(DatabaseUrl.parse(url))  # leaves no connection behind: one that is used cannot be copied
