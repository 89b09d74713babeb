"""Optuna's own test cases for samplers, unchanged and whole, with every study in Postgres."""

import uuid

import optuna
import pytest
from optuna.samplers import NSGAIISampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)

from hpotool.search.auto import AutoSampler
from hpotool.search.tpe import FastTPESampler
from hpotool.storage.open import open_storage


@pytest.fixture(scope="module")
def storage(postgres):
    with postgres.database(f"samplers_{uuid.uuid4().hex}") as url:
        yield open_storage(url)


@pytest.fixture(autouse=True)
def studies_in_postgres(monkeypatch, storage):
    """`create_study()` without a storage takes ours, where it would take one in memory."""
    given = optuna.storages.get_storage
    monkeypatch.setattr(optuna.storages, "get_storage", lambda named: storage if named is None else given(named))


class TestFastTPE(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self):
        return lambda: FastTPESampler(n_startup_trials=0, seed=0)


class TestAuto(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self):
        return lambda: AutoSampler(n_startup_trials=0, seed=0)


class TestNSGAII(MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self):
        return NSGAIISampler
