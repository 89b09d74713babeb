"""Studies are created once, resumed without harm, and refused where they differ."""

from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest

from hpotool.errors import InputError
from hpotool.storage.connection import Connection
from hpotool.storage.creation import create_or_resume, read_spec
from hpotool.storage.url import DatabaseUrl
from hpotool.study.file import read_study_file
from hpotool.study.spec import StudySpec

FILE = """
study: hills
objective: {python: objectives.quadratic:objective}
metrics: {height: minimize}
search_space:
  x: {float: [-10.0, 10.0]}
  y: {float: [-10.0, 10.0]}
budget: {trials: 5}
warm_start:
  - {x: 0.0, y: 0.0}
  - {x: 1.0, y: 2.5}
"""


def read(*overrides: str, text: str = FILE) -> StudySpec:
    return read_study_file(text, "hills.yaml", overrides)


@pytest.fixture
def connection(database_url: str) -> Connection:
    return Connection(DatabaseUrl.parse(database_url))


def load(database_url: str) -> optuna.Study:
    return optuna.load_study(study_name="hills", storage=DatabaseUrl.parse(database_url).sqlalchemy)


def test_optuna_reads_what_was_created(connection: Connection, database_url: str) -> None:
    creation = create_or_resume(connection, read(), "test")
    assert creation.is_new
    study = load(database_url)
    assert study.direction == optuna.study.StudyDirection.MINIMIZE
    assert study.metric_names == ["height"]
    assert [trial.system_attrs["fixed_params"] for trial in study.trials] == [
        {"x": 0.0, "y": 0.0},
        {"x": 1.0, "y": 2.5},
    ]
    assert [trial.number for trial in study.trials] == [0, 1]
    assert {trial.state for trial in study.trials} == {optuna.trial.TrialState.WAITING}


def test_twenty_at_once_create_one_study_with_one_warm_start(connection: Connection, database_url: str) -> None:
    def create(_: int) -> bool:
        return create_or_resume(Connection(DatabaseUrl.parse(database_url)), read(), "test").is_new

    with ThreadPoolExecutor(20) as pool:
        is_new = list(pool.map(create, range(20)))
    assert sum(is_new) == 1
    assert len(load(database_url).trials) == 2


def test_the_same_file_resumes_with_the_seed_that_was_drawn(connection: Connection) -> None:
    first = create_or_resume(connection, read(), "test")
    second = create_or_resume(connection, read(), "test")
    assert (second.is_new, second.changes) == (False, ())
    assert first.spec.sampler.seed is not None
    assert second.spec == first.spec == read_spec(connection, "hills")[1]


def test_a_budget_may_grow(connection: Connection) -> None:
    create_or_resume(connection, read(), "test")
    resumed = create_or_resume(connection, read("budget.trials=50"), "test")
    assert len(resumed.changes) == 1
    assert "50" in resumed.changes[0]
    assert read_spec(connection, "hills")[1].budget.trials == 50


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("sampler.name=random", "sampler"),
        ("metrics.height=maximize", "metric"),
        ("search_space.x.float=[0, 1]", "x"),
    ],
)
def test_another_study_of_the_same_name_is_refused_and_nothing_changes(
    connection: Connection, override: str, word: str
) -> None:
    before = create_or_resume(connection, read(), "test").spec
    with pytest.raises(InputError, match=word) as refused:
        create_or_resume(connection, read(override), "test")
    assert refused.value.hint
    assert read_spec(connection, "hills")[1] == before


def test_a_study_of_plain_optuna_is_adopted_with_its_trials(connection: Connection, database_url: str) -> None:
    plain = optuna.create_study(study_name="hills", storage=DatabaseUrl.parse(database_url).sqlalchemy)
    plain.optimize(lambda trial: trial.suggest_float("x", -10, 10) ** 2, n_trials=3)
    assert create_or_resume(connection, read(), "test").is_new
    assert [trial.number for trial in load(database_url).trials] == [0, 1, 2, 3, 4]


def test_a_study_of_plain_optuna_with_other_metrics_is_refused(connection: Connection, database_url: str) -> None:
    optuna.create_study(
        study_name="hills", storage=DatabaseUrl.parse(database_url).sqlalchemy, direction="maximize"
    )
    with pytest.raises(InputError, match="exists with the metrics value \\(maximize\\)"):
        create_or_resume(connection, read(), "test")
