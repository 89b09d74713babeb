"""Queued points are checked first, and queued together or not at all."""

import optuna
import pytest

from hpotool.errors import InputError, NotFoundError
from hpotool.storage.control.creation import create_or_resume, read_spec
from hpotool.storage.control.queueing import enqueue_points
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.study.file.reader import read_study_file

FILE = """
study: hills
objective: {python: objectives.quadratic:objective}
metrics: {height: minimize}
search_space:
  x: {float: [-10.0, 10.0]}
  n: {int: [1, 5]}
budget: {trials: 5}
"""


@pytest.fixture
def connection(database_url: str) -> Connection:
    return Connection(DatabaseUrl.parse(database_url))


def load(connection: Connection) -> optuna.Study:
    return optuna.load_study(study_name="hills", storage=connection.url.sqlalchemy)


def test_points_wait_in_order_with_numbers_that_follow(connection: Connection) -> None:
    create_or_resume(connection, read_study_file(FILE), "test")
    assert enqueue_points(connection, "hills", [{"x": 1, "n": 2}, {"x": 3.5}], "test") == ([0, 1], True)
    assert enqueue_points(connection, "hills", [{"n": 5}], "test") == ([2], True)
    queued = [trial.system_attrs["fixed_params"] for trial in load(connection).trials]
    assert queued == [{"x": 1.0, "n": 2}, {"x": 3.5}, {"n": 5}]


@pytest.mark.parametrize(
    ("point", "sentence"),
    [
        ({"xx": 1.0}, "'xx' is not in the search space; did you mean 'x'?"),
        ({"x": 99.0}, "'x' must be a float from -10 to 10, got 99.0"),
        ({"n": 2.5}, "'n' must be an int from 1 to 5, got 2.5"),
    ],
)
def test_one_bad_point_keeps_all_of_them_out(
    connection: Connection, point: dict[str, float], sentence: str
) -> None:
    create_or_resume(connection, read_study_file(FILE), "test")
    with pytest.raises(InputError) as refused:
        enqueue_points(connection, "hills", [{"x": 0.0, "n": 1}, point], "test")
    assert refused.value.message == f"point 2: {sentence}"
    assert load(connection).trials == []


def test_a_space_in_code_is_known_from_its_trials(connection: Connection) -> None:
    study = optuna.create_study(study_name="hills", storage=connection.url.sqlalchemy)
    assert enqueue_points(connection, "hills", [{"anything": 1}], "test") == ([0], False)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    with pytest.raises(InputError, match="'y' is not in the search space"):
        enqueue_points(connection, "hills", [{"y": 1}], "test")


def test_a_study_that_was_queued_to_before_it_was_described_can_still_be_described(connection: Connection) -> None:
    optuna.create_study(study_name="hills", storage=connection.url.sqlalchemy)
    enqueue_points(connection, "hills", [{"x": 1.0}], "test")
    assert create_or_resume(connection, read_study_file(FILE), "test").is_new
    assert read_spec(connection, "hills")[1].budget.trials == 5


def test_a_study_that_does_not_exist_is_not_found(connection: Connection) -> None:
    with pytest.raises(NotFoundError):
        enqueue_points(connection, "hills", [{"x": 1.0}], "test")
