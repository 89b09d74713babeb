"""A long study is read in part where that is enough, with the same answers, and whole where it is not."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import TPESampler
from optuna.trial import TrialState, create_trial

from hpotool.analysis.best import find_best
from hpotool.analysis.pareto import find_pareto_front
from hpotool.analysis.status import read_status
from hpotool.search.auto import AutoSampler
from hpotool.search.pruning.fast_pruners import fast_pruner
from hpotool.search.tpe import fast_sampler
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.open import open_storage
from hpotool.storage.optuna import trial_memory, window
from tests.benchmarks.fill import fill_study

SPACE = {"x": FloatDistribution(0.0, 1.0), "y": FloatDistribution(0.0, 1.0)}
Open = Callable[..., optuna.Study]


@pytest.fixture
def open_study(study_database_url: str) -> Iterator[Open]:
    """Opens the study on a storage of its own, as another process would."""
    opened = []

    def open_it(**create: object) -> optuna.Study:
        storage = open_storage(study_database_url)
        opened.append(storage)
        return optuna.create_study(study_name="long", storage=storage, load_if_exists=True, **create)

    yield open_it
    for storage in opened:
        storage._connection.close()


@pytest.fixture
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """From twelve trials on, a study is long: then its newest eight and its best three are read."""
    monkeypatch.setattr(trial_memory, "LONG", 12)
    monkeypatch.setattr(trial_memory, "NEWEST", 8)
    monkeypatch.setattr(window, "BEST", 3)


def _trial(rng: random.Random, *, metrics: int = 1, number: int = 0) -> optuna.trial.FrozenTrial:
    state = rng.choice([TrialState.COMPLETE] * 6 + [TrialState.PRUNED, TrialState.FAIL])
    values = [rng.choice([rng.random(), round(rng.random(), 1), float("inf")]) for _ in range(metrics)]
    attributes = {} if number % 3 else {"constraints:c": rng.uniform(-1.0, 0.5)}
    if number % 7 == 1:
        attributes = {"constraints": [-1.0, rng.uniform(-1.0, 1.0)]}
    return create_trial(
        state=state,
        values=values if state == TrialState.COMPLETE else None,
        params={name: rng.random() for name in SPACE},
        distributions=SPACE,
        system_attrs=attributes,
        intermediate_values={step: rng.random() for step in range(3)} if metrics == 1 else {},
    )


def _fill(study: optuna.Study, count: int, metrics: int = 1) -> None:
    rng = random.Random(5)
    for number in range(count):
        study.add_trial(_trial(rng, metrics=metrics, number=number))


def test_followers_see_the_newest_and_the_best_and_what_has_not_ended(open_study: Open, short_limit: None) -> None:
    maker = open_study(direction="maximize")
    values = [0.1, 0.9, 0.8, 0.2, 0.7, 0.3, *(n / 1000 for n in range(20))]
    for value in values[:3]:
        maker.add_trial(create_trial(value=value))
    running = maker.ask()
    maker.enqueue_trial({"x": 0.5})
    for value in values[3:]:
        maker.add_trial(create_trial(value=value))
    storage, study_id = open_study()._storage, maker._study_id

    log = storage.follow(study_id)

    total = len(values) + 2
    newest = list(range(total - 8, total))
    assert [trial.number for trial in log.finished] == [1, 2, 6, *newest]
    assert [trial.number for trial in log.unfinished] == [running.number, 4]
    assert log.whole_from == total - 8
    assert storage.get_best_trial(study_id).value == 0.9
    assert storage.get_n_trials(study_id) == total

    maker.tell(running, 5.0)
    maker.add_trial(create_trial(value=0.0))
    log = storage.follow(study_id)
    assert [trial.number for trial in log.finished] == [1, 2, 6, *newest, running.number, total]
    assert storage.get_best_trial(study_id).number == running.number

    assert [trial.number for trial in storage.get_all_trials(study_id, deepcopy=False)] == list(range(total + 1))
    assert [trial.number for trial in storage.get_recent_trials(study_id)] == list(range(total + 1))
    assert storage.follow(study_id).whole_from == 0


def test_a_short_study_is_read_whole(open_study: Open) -> None:
    _fill(open_study(), 14)
    study = open_study()
    assert len(study._storage.get_recent_trials(study._study_id)) == 14
    assert study._storage.follow(study._study_id).whole_from == 0


@pytest.mark.parametrize("kind", ["tpe", "auto"])
def test_samplers_suggest_the_same_from_the_part_that_they_need(
    open_study: Open, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    maker = open_study()
    connection = Connection(DatabaseUrl.parse(maker._storage.url.sqlalchemy))
    fill_study(connection, maker._study_id, 6_000)
    connection.close()
    # As many as TPE counts in steps of 500, so that both look for the best among the same trials.
    monkeypatch.setattr(trial_memory, "LONG", 5_900)
    monkeypatch.setattr(trial_memory, "NEWEST", 5_201)  # its own trial is one of them

    def suggest() -> tuple[int, dict[str, float]]:
        study = open_study()
        study.sampler = fast_sampler(TPESampler(seed=3)) if kind == "tpe" else AutoSampler(seed=3)
        space = {f"x{n}": FloatDistribution(-5.0, 5.0) for n in range(10)}
        trial = study.ask(space)
        finished = study._storage._memory.history(study._study_id).finished
        study.tell(trial, state=TrialState.FAIL)
        return sum(trial.state == TrialState.COMPLETE for trial in finished), trial.params

    in_part = suggest()
    monkeypatch.setattr(trial_memory, "LONG", 10**9)
    whole = suggest()

    assert (in_part[0], whole[0]) == (5_500, 6_000)
    if kind == "tpe":
        assert in_part[1] == whole[1]
    else:  # whose observations from the middle of the study are others
        assert in_part[1].keys() == whole[1].keys()


def test_a_pruner_holds_a_trial_against_the_newest_and_not_against_the_best(
    open_study: Open, short_limit: None
) -> None:
    maker = open_study(direction="maximize")
    for value in [0.9] * 10 + [0.1] * 8:
        maker.add_trial(create_trial(value=value, intermediate_values={0: value, 1: value}))
    study = open_study()
    study.pruner = fast_pruner(optuna.pruners.MedianPruner())

    trial = study.ask()
    trial.report(0.5, 0)

    assert not trial.should_prune(), "the median of the newest is 0.1, of all trials that were read 0.9 counts too"


@pytest.mark.parametrize("directions", [["minimize"], ["maximize"], ["minimize", "maximize"]])
def test_the_best_trials_of_a_long_study_are_those_of_all_its_trials(
    open_study: Open, monkeypatch: pytest.MonkeyPatch, directions: list[str]
) -> None:
    _fill(open_study(directions=directions), 60, len(directions))
    find = find_pareto_front if len(directions) > 1 else find_best
    whole = [find(open_study()), find_best(open_study(), 10)]

    monkeypatch.setattr(trial_memory, "LONG", 12)
    study = open_study()
    in_part = [find(study), find_best(study, 10)]

    assert whole == in_part
    assert whole[0].feasible < whole[0].complete, "some meet no constraint"
    assert study._storage._memory.history(study._study_id).finished == [], "trials were read that nobody sees"


def test_values_are_followed_as_trials_finish(open_study: Open, short_limit: None) -> None:
    maker = open_study()
    _fill(maker, 20)
    first, second = maker.ask(), maker.ask()
    storage, study_id = open_study()._storage, maker._study_id
    before = len(storage.read_values(study_id))

    maker.tell(second, -1.0)
    assert len(storage.read_values(study_id)) == before + 1
    maker.tell(first, -2.0)
    maker.add_trial(create_trial(value=-3.0))

    values = storage.read_values(study_id)
    complete = [trial for trial in maker.trials if trial.state == TrialState.COMPLETE]
    assert values.numbers.tolist() == [trial.number for trial in complete]
    assert values.values[:, 0].tolist() == [trial.value for trial in complete]
    assert values.is_feasible.tolist() == [all(c <= 0 for c in trial.constraints.values()) for trial in complete]


def test_the_status_of_a_long_study_is_that_of_all_its_trials(
    open_study: Open, monkeypatch: pytest.MonkeyPatch, study_database_url: str
) -> None:
    _fill(open_study(direction="minimize"), 60)
    connection = Connection(DatabaseUrl.parse(study_database_url))

    whole = read_status(connection, open_study())
    monkeypatch.setattr(trial_memory, "LONG", 12)
    in_part = read_status(connection, open_study())

    assert in_part.best == whole.best
    assert in_part.best_values == whole.best_values
    assert in_part.as_data()["trials"] == whole.as_data()["trials"]
    connection.close()
