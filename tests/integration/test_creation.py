"""Studies are created once, resumed without harm, and refused where they differ."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import optuna
import psycopg2
import pytest

from hpotool.errors import InputError, NotFoundError
from hpotool.storage.control.creation import Creation, change_spec, create_or_resume, read_spec, read_spec_if_any
from hpotool.storage.control.orders import read_retry_spec, read_settings
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.schema import ensure_schema
from hpotool.storage.database.url import DatabaseUrl
from hpotool.study.file.reader import change_budget, read_study_file
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


def _two_at_once(database_url: str, *calls: Callable[[Connection], object]) -> list[object]:
    """What each call answers or raises; all of them begin while another session holds every study's row."""
    url = DatabaseUrl.parse(database_url)
    holder = psycopg2.connect(url.libpq)
    holder.cursor().execute("LOCK TABLE hpotool.study_settings, studies IN SHARE ROW EXCLUSIVE MODE")

    def answer(call: Callable[[Connection], object]) -> object:
        try:
            return call(Connection(url))
        except InputError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        answers = [pool.submit(answer, call) for call in calls]
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        asker = Connection(url)
        while asker.run(waiting)[0][0] < len(calls):
            assert not any(future.done() for future in answers), [future.result() for future in answers]
        holder.close()
        return [future.result() for future in answers]


def test_of_two_who_create_a_study_at_once_the_one_that_is_refused_writes_nothing(
    connection: Connection, database_url: str
) -> None:
    ensure_schema(connection.url)
    first, second = read(), read("metrics={depth: minimize}")

    answers = _two_at_once(
        database_url,
        lambda own: create_or_resume(own, first, "ann"),
        lambda own: create_or_resume(own, second, "bob"),
    )

    created = [isinstance(answer, Creation) for answer in answers]
    winner = first if created[0] else second
    assert sum(created) == 1
    assert load(database_url).metric_names == [metric.name for metric in winner.metrics]
    assert read_spec(connection, "hills")[1].metrics == winner.metrics


def test_of_two_who_change_a_budget_at_once_neither_loses(connection: Connection, database_url: str) -> None:
    create_or_resume(connection, read(), "ann")

    def raise_limit(key: str, value: str) -> Callable[[Connection], object]:
        return lambda own: change_spec(own, "hills", lambda old: change_budget(old, {key: value}), "ann")

    _two_at_once(
        database_url,
        raise_limit("trials", "123"),
        raise_limit("patience", "45"),
        raise_limit("failed", "67"),
    )

    budget = read_spec(connection, "hills")[1].budget
    assert (budget.trials, budget.patience, budget.failed) == (123, 45, 67)


def test_settings_of_a_newer_hpotool_are_read_and_never_written_over(connection: Connection) -> None:
    create_or_resume(connection, read(), "ann")
    for path, value in (("{quantum}", "true"), ("{budget,carbon}", "3"), ("{search_space,0,x,shade}", "1")):
        connection.run("UPDATE hpotool.study_settings SET spec = jsonb_set(spec, %s, %s)", (path, value))

    study_id, spec = read_spec(connection, "hills")

    assert spec.budget == read().budget
    assert read_retry_spec(connection.run, study_id) == read().retry
    with pytest.raises(InputError, match="a newer hpotool has stored"):
        change_spec(connection, "hills", lambda old: change_budget(old, {"trials": "5000"}), "ann")
    assert read_settings(connection.run, study_id).spec["quantum"] is True


def test_a_study_of_plain_optuna_is_adopted_with_its_trials(connection: Connection, database_url: str) -> None:
    plain = optuna.create_study(study_name="hills", storage=DatabaseUrl.parse(database_url).sqlalchemy)
    plain.optimize(lambda trial: trial.suggest_float("x", -10, 10) ** 2, n_trials=3)
    assert create_or_resume(connection, read(), "test").is_new
    assert [trial.number for trial in load(database_url).trials] == [0, 1, 2, 3, 4]


def test_a_study_of_plain_optuna_has_no_settings_whether_or_not_the_database_has_tables_for_them(
    database_url: str,
) -> None:
    url = DatabaseUrl.parse(database_url)
    optuna.create_study(study_name="hills", storage=url.sqlalchemy)
    connection = Connection(url)
    for _ in range(2):
        assert read_spec_if_any(connection, "hills") is None
        with pytest.raises(NotFoundError, match="was created by plain Optuna and has no settings"):
            read_spec(connection, "hills")
        ensure_schema(url)


def test_a_study_of_plain_optuna_with_other_metrics_is_refused(connection: Connection, database_url: str) -> None:
    optuna.create_study(
        study_name="hills", storage=DatabaseUrl.parse(database_url).sqlalchemy, direction="maximize"
    )
    with pytest.raises(InputError, match="exists with the metrics value \\(maximize\\)"):
        create_or_resume(connection, read(), "test")
