"""Trials of another study, taken over as finished: whole, once, and outside the budget."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpotool.errors import InputError
from hpotool.storage.control import orders
from hpotool.storage.control.creation import create_or_resume, find_study_id
from hpotool.storage.control.studies import list_studies, read_progress
from hpotool.storage.control.taken_over import TAKEN_FROM, take_over
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import Ending, NoTrial, claim_trial, finish_attempt, new_attempt_id
from hpotool.storage.fleet.usage import UsageReader
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.storage.open import open_storage
from hpotool.study.file.reader import read_study_file
from hpotool.study.outcome import Outcome
from hpotool.study.rules.budget import Progress, reached_limit
from hpotool.study.spec import BudgetSpec, MetricSpec

FILE = """
study: {name}
objective: {{python: "mine:f"}}
metrics: {{loss: minimize}}
constraints: {{size: "<= 3"}}
search_space:
  x: {{float: [0, {high}]}}
  kind: {{choice: [net, tree]}}
  leaves: {{int: [1, 9], when: {{kind: tree}}}}
budget: {{trials: {trials}}}
"""
SPACE = {
    "x": optuna.distributions.FloatDistribution(0, 1),
    "kind": optuna.distributions.CategoricalDistribution(["net", "tree"]),
    "leaves": optuna.distributions.IntDistribution(1, 9),
}


@pytest.fixture
def connection(study_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connection:
    (tmp_path / "mine.py").write_text("def f(trial): return 1.0\n")
    monkeypatch.chdir(tmp_path)
    return Connection(DatabaseUrl.parse(study_database_url))


def create(connection: Connection, name: str, *changes: str, high: float = 1, trials: int = 10) -> int:
    text = FILE.format(name=name, high=high, trials=trials)
    create_or_resume(connection, read_study_file(text, None, changes), "test")
    return find_study_id(connection, name)


def load(connection: Connection, name: str) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=open_storage(connection.url.sqlalchemy))


def add(connection: Connection, name: str, value: float, **params: object) -> FrozenTrial:
    """A complete trial as a worker leaves it."""
    study = load(connection, name)
    study.add_trial(
        create_trial(
            value=value,
            params=params,
            distributions={parameter: SPACE[parameter] for parameter in params},
            intermediate_values={1: 3.0, 2: float("inf"), 3: value},
            user_attrs={"note": [1, {"a": None}], "replicate_of": 7},
            system_attrs={"retry_history": [3], "failed_trial": 3, "hpotool:reports:other": {"1": 2.0}},
            constraints={"size": -0.5},
        )
    )
    return study.trials[-1]


def take(connection: Connection, target: str, source: str) -> tuple[list[int], int, int]:
    trials = load(connection, source).get_trials(states=(TrialState.COMPLETE,))
    done = take_over(connection, target, source, trials, "test")
    return done.numbers, done.outside, done.known


def test_a_trial_comes_with_all_that_was_observed_and_with_where_it_ran(connection: Connection) -> None:
    create(connection, "a")
    original = add(connection, "a", 0.125, x=0.1, kind="tree", leaves=4)
    study_id = create(connection, "b", high=2)
    target = load(connection, "b")
    assert target.trials == []  # read once: what comes later must be seen too

    assert take(connection, "b", "a") == ([0], 0, 0)
    [taken] = target.trials
    for what in (
        "state",
        "values",
        "params",
        "intermediate_values",
        "constraints",
        "datetime_start",
        "datetime_complete",
    ):
        assert getattr(taken, what) == getattr(original, what), what
    assert taken.distributions["x"] == optuna.distributions.FloatDistribution(0, 2)
    assert taken.user_attrs == {"note": [1, {"a": None}]}
    assert taken.system_attrs == {
        "constraints:size": -0.5,
        "hpotool:reports:other": {"1": 2.0},
        TAKEN_FROM: {"study": "a", "number": original.number},
    }
    [event] = orders.read_events(connection.run, study_id, number=0)
    assert (event.kind, event.to_state, event.reason) == (
        "take-over",
        "COMPLETE",
        "finished as trial 0 of study 'a'",
    )
    assert target.best_trial.number == 0


def test_taken_over_again_from_wherever_nothing_comes_twice(connection: Connection) -> None:
    for name in ("a", "b", "c"):
        create(connection, name)
    for x in (0.1, 0.2):
        add(connection, "a", x, x=x, kind="net")
    assert take(connection, "b", "a") == ([0, 1], 0, 0)
    assert take(connection, "b", "a") == ([], 0, 2)
    add(connection, "b", 0.3, x=0.3, kind="net")
    assert take(connection, "c", "b") == ([0, 1, 2], 0, 0)
    assert take(connection, "c", "a") == ([], 0, 2)  # it has them by way of b
    assert take(connection, "a", "c") == ([2], 0, 2)  # two of them ran here
    assert load(connection, "c").trials[0].system_attrs[TAKEN_FROM] == {"study": "a", "number": 0}


def test_two_who_take_over_at_the_same_time_add_each_trial_once(connection: Connection) -> None:
    create(connection, "a")
    create(connection, "b")
    for number in range(20):
        add(connection, "a", 1.0, x=number / 20, kind="net")

    def work(_: int) -> int:
        own = Connection(connection.url)
        try:
            return len(take(own, "b", "a")[0])
        finally:
            own.close()

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(work, range(3))) == 20
    trials = load(connection, "b").trials
    assert sorted(trial.system_attrs[TAKEN_FROM]["number"] for trial in trials) == list(range(20))
    assert read_progress(connection, list_studies(connection, "b")[0]).taken_over == 20


def test_what_lies_outside_the_space_is_left_out(connection: Connection) -> None:
    create(connection, "a")
    add(connection, "a", 1.0, x=0.9, kind="net")
    add(connection, "a", 2.0, x=0.1, kind="tree", leaves=9)
    add(connection, "a", 3.0, x=0.1, kind="net")
    create(connection, "b", "search_space.leaves.int=[1, 5]", high=0.5)
    assert take(connection, "b", "a") == ([0], 2, 0)
    assert load(connection, "b").trials[0].value == 3.0


def test_four_workers_fill_the_budget_exactly_while_trials_are_taken_over(connection: Connection) -> None:
    create(connection, "a")
    for number in range(15):
        add(connection, "a", 1.0, x=number / 20, kind="net")
    study_id = create(connection, "b", trials=25)
    assert len(take(connection, "b", "a")[0]) == 15
    for number in range(15, 20):
        add(connection, "a", 1.0, x=number / 20, kind="net")

    def work(place: int) -> None:
        own = Connection(connection.url)
        worker = WorkerIdentity(f"w{place}", "here", 1, "boot", "1", "cpu")
        orders.register_worker(own.run, study_id, worker)
        while True:
            answer = claim_trial(own.run, study_id, worker, new_attempt_id())
            if isinstance(answer, NoTrial):
                if answer.kind == "done":
                    assert answer.reason == "25 of 25 trials are finished"
                    return own.close()
                continue
            if answer.number % 4 == 0:
                finish_attempt(own.run, answer, "t", TrialState.FAIL, None, Ending(Outcome.ERROR))
            else:
                finish_attempt(own.run, answer, "t", TrialState.COMPLETE, [1.0], Ending(Outcome.COMPLETE))
            if place == 0:
                take(own, "b", "a")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

    trials = load(connection, "b").trials
    own = [trial for trial in trials if TAKEN_FROM not in trial.system_attrs]
    assert sum(trial.state == TrialState.COMPLETE for trial in own) == 25
    assert len(trials) - len(own) == 20
    assert [trial.number for trial in trials] == list(range(len(trials)))
    places = orders.count_budget(connection.run, study_id)
    failed = sum(trial.state == TrialState.FAIL for trial in own)
    assert (places.finished, places.running, places.waiting, places.failed) == (25, 0, 0, failed)
    progress = read_progress(connection, list_studies(connection, "b")[0])
    assert (progress.finished, progress.taken_over, progress.state) == (25, 20, "done")


def test_the_count_stays_right_when_old_failures_are_settled(connection: Connection) -> None:
    create(connection, "a")
    add(connection, "a", 1.0, x=0.5, kind="net")
    study_id = create(connection, "b", trials=3)
    take(connection, "b", "a")
    worker = WorkerIdentity("w", "here", 1, "boot", "1", "cpu")
    orders.register_worker(connection.run, study_id, worker)

    def run(state: TrialState, outcome: Outcome) -> None:
        attempt = claim_trial(connection.run, study_id, worker, new_attempt_id())
        assert not isinstance(attempt, NoTrial)
        values = [1.0] if state == TrialState.COMPLETE else None
        finish_attempt(connection.run, attempt, "t", state, values, Ending(outcome))

    for _ in range(60):  # more than are counted anew with each claim
        run(TrialState.FAIL, Outcome.ERROR)
    for _ in range(3):
        run(TrialState.COMPLETE, Outcome.COMPLETE)
    answer = claim_trial(connection.run, study_id, worker, new_attempt_id())
    assert isinstance(answer, NoTrial)
    assert (answer.kind, answer.finished) == ("done", 3)
    assert orders.count_budget(connection.run, study_id).failed == 60


def test_what_was_taken_over_reaches_a_target_and_costs_no_patience(connection: Connection) -> None:
    create(connection, "a")
    for x in (0.1, 0.2, 0.3):
        add(connection, "a", x, x=x, kind="net")
    study_id = create(connection, "b")
    take(connection, "b", "a")
    metrics = (MetricSpec("loss", "minimize"),)
    budget = BudgetSpec(target={"loss": 0.1}, patience=2)
    usage = UsageReader(connection.run, study_id, metrics).read(budget)
    assert usage.progress == Progress(((0.1,),), 0)
    reached = reached_limit(budget, metrics, usage)
    assert reached is not None
    assert reached.key == "target"


def test_studies_that_do_not_measure_the_same_are_refused_with_every_difference(connection: Connection) -> None:
    create(connection, "a")
    trial = add(connection, "a", 1.0, x=0.5, kind="net")
    Path("mine.py").write_text("def f(trial): return 2.0\n")
    create(connection, "b", "metrics={cost: minimize}", "constraints={}")
    with pytest.raises(InputError) as raised:
        take_over(connection, "b", "a", [trial], "test")
    head, *found = raised.value.message.split("\n")
    assert head == "finished trials of 'a' cannot be copied into 'b'"
    assert [sentence.split(" in 'a'")[0] for sentence in found[:2]] == [
        "the metrics are loss: minimize",
        "the constraints are size <= 3",
    ]
    assert found[2].startswith("the objective's code (SHA-256) is ")
    assert len(found) == 3
    assert load(connection, "b").trials == []


def test_a_study_of_plain_optuna_tells_nothing_of_its_objective(connection: Connection) -> None:
    optuna.create_study(study_name="plain", storage=connection.url.sqlalchemy)
    create(connection, "b")
    with pytest.raises(InputError, match="study 'plain' was created by plain Optuna"):
        take_over(connection, "b", "plain", [], "test")
    with pytest.raises(InputError, match="already has its own trials"):
        take_over(connection, "b", "b", [], "test")
