"""The recipe of a trial from the database, and each reason for which there is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from hpotool.analysis.origins.recipe import read_recipe
from hpotool.errors import InputError, NotFoundError
from hpotool.origins.origin import OriginWatch, make_reader
from hpotool.storage.control.creation import create_or_resume, find_study_id
from hpotool.storage.control.orders import register_worker
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import Attempt, Ending, claim_trial, finish_attempt, new_attempt_id
from hpotool.storage.fleet.origins import OriginHashes, note_origin, record_origin
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.storage.open import open_storage
from hpotool.study.file.reader import read_study_file
from hpotool.study.outcome import Outcome
from hpotool.study.phase import PHASE_ATTRIBUTE
from hpotool.study.seeds import seed_for_trial

TEXT = """
study: s
objective: {python: "mine:train"}
metrics: {loss: minimize}
search_space: {x: {float: [0, 1]}}
sampler: {seed: 5}
duplicates: skip
"""
WORKER = WorkerIdentity("w", "here", 1, "boot", "1", "cpu")


class Bench:
    def __init__(self, url: str) -> None:
        self.connection = Connection(DatabaseUrl.parse(url))
        self.spec = read_study_file(TEXT)
        create_or_resume(self.connection, self.spec, "test")
        self.study_id = find_study_id(self.connection, "s")
        register_worker(self.connection.run, self.study_id, WORKER)
        self.study = optuna.load_study(study_name="s", storage=open_storage(url, hides_reevaluations=False))

    def run(self, x: float, value: float | None = 1.0, **attributes: Any) -> Attempt:
        """A trial that a worker ran; still running where it has no value."""
        self.study.enqueue_trial({"x": x})
        origin = OriginWatch(self.spec, make_reader(self.spec)).origin
        record_origin(self.connection.run, self.study_id, origin.parts)
        note_origin(self.connection.run, "w", origin.environment.hash, None)
        hashes = OriginHashes.of(origin)
        attempt = claim_trial(self.connection.run, self.study_id, WORKER, new_attempt_id(), origin=hashes)
        assert isinstance(attempt, Attempt)
        storage = self.study._storage
        storage.set_trial_param(attempt.trial_id, "x", x, optuna.distributions.FloatDistribution(0, 1))
        for key, attribute in attributes.items():
            storage.set_trial_system_attr(attempt.trial_id, key.replace("__", ":"), attribute)
        storage.set_trial_intermediate_value(attempt.trial_id, 3, 0.5)
        if value is not None:
            ending = Ending(Outcome.COMPLETE)
            finish_attempt(self.connection.run, attempt, "w", TrialState.COMPLETE, [value], ending)
        return attempt


@pytest.fixture
def bench(study_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("x = 1")
    found = Bench(study_database_url)
    with closing(found.connection):
        yield found


def test_a_recipe_holds_all_that_the_value_depends_on(bench: Bench) -> None:
    bench.run(0.25, 7.5)
    recipe = read_recipe(bench.connection, bench.study, 0)
    assert (recipe.number, recipe.params, recipe.values) == (0, {"x": 0.25}, {"loss": 7.5})
    assert (recipe.outcome, recipe.reports) == ("complete", {"3": 0.5})
    assert recipe.seed == seed_for_trial(5, 0)
    assert list(recipe.code["files"]) == ["mine.py"]
    assert recipe.environment is not None
    assert recipe.environment["packages"]["optuna"]
    assert json.loads(json.dumps(recipe.as_data()))["study"]["study"] == "s"


def test_a_retry_has_the_seed_of_the_first_and_a_final_training_its_own(bench: Bench) -> None:
    bench.run(0.1, failed_trial=9)
    reevaluation = {"phase": "final", "point": "trial 0", "replicate": 0}
    bench.run(0.2, **{PHASE_ATTRIBUTE.replace(":", "__"): reevaluation})
    assert read_recipe(bench.connection, bench.study, 0).seed == seed_for_trial(5, 9)
    final = read_recipe(bench.connection, bench.study, 1)
    assert final.reevaluation == reevaluation
    assert final.seed == seed_for_trial(5, 2**32 - 1)


def test_each_reason_for_which_there_is_none_is_said(bench: Bench) -> None:
    bench.run(0.1, None)
    bench.run(0.2, hpotool__taken_from={"study": "other", "number": 4})
    branch = {"source": 0, "source_root": 0, "predecessor": 0, "steps": 3}
    bench.run(0.3, hpotool__branch=branch)
    bench.run(0.4)
    bench.run(0.4)
    distribution = optuna.distributions.FloatDistribution(0, 1)
    bench.study.add_trial(optuna.trial.create_trial(params={"x": 0.9}, distributions={"x": distribution}, value=1))
    for study in ("gone", "s"):
        bench.run(0.6 if study == "s" else 0.7, hpotool__reused={"study": study, "trial": 4})
    reasons = {0: "trial 0 is RUNNING", 1: "ran as trial 4 of study 'other'", 4: "has the result of trial 3"}
    reasons |= {2: "continues the checkpoint of trial 0", 5: "was not recorded"}
    for number, reason in reasons.items():
        with pytest.raises(InputError, match=reason):
            read_recipe(bench.connection, bench.study, number)
    for number, hint in ((6, "does not exist any more"), (7, "hpotool reproduce 4 --study s")):
        with pytest.raises(InputError, match="was not run: it has the result of trial 4 of study") as raised:
            read_recipe(bench.connection, bench.study, number)
        assert hint in (raised.value.hint or "")
    with pytest.raises(NotFoundError, match="no trial 9"):
        read_recipe(bench.connection, bench.study, 9)


def test_changes_that_were_too_large_to_keep_are_said(bench: Bench) -> None:
    bench.run(0.5)
    changed = {"files": {}, "commit": "abc", "tree": "t", "changes": "d1", "diff": None}
    bench.connection.run("UPDATE hpotool.origins SET content = %s WHERE kind = 'code'", (json.dumps(changed),))
    with pytest.raises(InputError, match=r"too large to be stored \(d1\)"):
        read_recipe(bench.connection, bench.study, 0)
