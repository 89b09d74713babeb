"""What PostgresStorage promises beyond Optuna's contract."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
import uuid

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial
from sqlalchemy.engine import make_url

from hpotool.search.pruning.fast_pruners import fast_pruner
from hpotool.search.tpe import fast_sampler
from hpotool.storage.database.connection import Connection, TransientDatabaseError
from hpotool.storage.database.queries import query
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.open import open_storage
from tests.benchmarks.fill import fill_study
from tests.benchmarks.reference import objective
from tests.benchmarks.wire import proxied

SPACE = FloatDistribution(0, 1)


@pytest.fixture
def storage(study_database_url):
    return open_storage(study_database_url)


@pytest.fixture
def study_id(storage):
    return storage.create_new_study([StudyDirection.MINIMIZE], "a")


@pytest.fixture
def elsewhere(study_database_url):
    """What another process sees."""
    return RDBStorage(DatabaseUrl.parse(study_database_url).sqlalchemy)


def _wait_until(condition, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_a_trial_that_is_committed_late_is_not_missed(storage, study_id, study_database_url):
    """Its id is lower than those that were read meanwhile, and nobody held the study's lock."""
    early = Connection(DatabaseUrl.parse(study_database_url))
    insert = "insert into trials (number, study_id, state) values (%s, %s, 'COMPLETE')"
    storage.create_new_trial(study_id)
    early.run("begin")
    early.run(insert, (1, study_id))
    Connection(early.url).run(insert, (2, study_id))
    assert [trial.number for trial in storage.get_all_trials(study_id)] == [0, 2]
    assert [trial.number for trial in storage.get_all_trials(study_id)] == [0, 2]
    early.run("commit")
    assert [trial.number for trial in storage.get_all_trials(study_id)] == [0, 1, 2]
    storage.create_new_trial(study_id)
    assert [trial.number for trial in storage.get_all_trials(study_id)] == [0, 1, 2, 3]


def test_a_change_of_state_that_is_committed_late_is_not_missed(storage, study_id, elsewhere, study_database_url):
    theirs = elsewhere.create_new_trial(study_id)
    late = Connection(DatabaseUrl.parse(study_database_url))
    late.run("begin")
    late.run("update trials set state = 'FAIL', datetime_complete = now() where trial_id = %s", (theirs,))
    for _ in range(3):
        later = elsewhere.create_new_trial(study_id)
        elsewhere.set_trial_state_values(later, TrialState.COMPLETE, [1.0])
    assert storage.get_all_trials(study_id)[0].state == TrialState.RUNNING
    late.run("commit")
    assert storage.get_all_trials(study_id)[0].state == TrialState.FAIL


def test_a_new_trial_waits_for_one_that_is_being_created_and_takes_the_next_number(
    storage, study_id, study_database_url
):
    other = Connection(DatabaseUrl.parse(study_database_url))
    other.run("begin")
    other.run("select 1 from studies where study_id = %s for update", (study_id,))
    other.run("insert into trials (number, study_id, state) values (0, %s, 'RUNNING')", (study_id,))
    created = []
    thread = threading.Thread(target=lambda: created.append(storage.create_new_trial(study_id)))
    thread.start()
    waiting = "select count(*) from pg_locks where not granted"
    _wait_until(lambda: Connection(other.url).run(waiting)[0][0] > 0)
    other.run("commit")
    thread.join()
    assert storage.get_trial(created[0]).number == 1


def test_what_a_running_trial_writes_is_seen_elsewhere_within_seconds(storage, study_id, elsewhere):
    trial_id = storage.create_new_trial(study_id)
    storage.set_trial_param(trial_id, "x", 0.5, SPACE)
    storage.set_trial_intermediate_value(trial_id, 0, 1.5)
    storage.set_trial_user_attr(trial_id, "who", ["me"])
    _wait_until(lambda: elsewhere.get_trial(trial_id) == storage.get_trial(trial_id))


def test_parameters_do_not_wait_for_the_reports(storage, study_id, elsewhere, monkeypatch):
    monkeypatch.setattr("hpotool.storage.optuna.write_buffer.LONGEST_DELAY_S", 3600.0)
    trial_id = storage.create_new_trial(study_id)
    storage.set_trial_intermediate_value(trial_id, 0, 1.5)
    storage.set_trial_param(trial_id, "x", 0.5, SPACE)
    _wait_until(lambda: elsewhere.get_trial(trial_id).params == {"x": 0.5})


def test_everything_written_is_there_when_the_state_is(storage, study_id, elsewhere):
    trial_id = storage.create_new_trial(study_id)
    for step in range(50):
        storage.set_trial_intermediate_value(trial_id, step, step / 3)
    storage.set_trial_param(trial_id, "x", 0.5, SPACE)
    storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.25])
    assert elsewhere.get_trial(trial_id) == storage.get_trial(trial_id) == storage.get_all_trials(study_id)[0]


def test_what_was_written_before_the_connection_broke_is_sent_after(
    storage, study_id, elsewhere, study_database_url
):
    trial_id = storage.create_new_trial(study_id)
    storage.set_trial_param(trial_id, "x", 0.5, SPACE)
    with pytest.raises(TransientDatabaseError):
        storage.run_with_pending("select pg_terminate_backend(pg_backend_pid())")
    storage.set_trial_intermediate_value(trial_id, 1, 2.0)
    storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [1.0])
    read = elsewhere.get_trial(trial_id)
    assert (read.params, read.intermediate_values) == ({"x": 0.5}, {1: 2.0})


def test_a_trial_that_somebody_else_ended_takes_nothing_more(storage, study_id, elsewhere):
    trial_id = storage.create_new_trial(study_id)
    elsewhere.set_trial_state_values(trial_id, TrialState.FAIL)
    storage.set_trial_param(trial_id, "x", 0.5, SPACE)
    with pytest.raises(UpdateFinishedTrialError):
        storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [1.0])
    for each in (storage, elsewhere):
        assert each.get_trial(trial_id).state == TrialState.FAIL
        assert each.get_trial(trial_id).params == {}
        assert each.get_trial(trial_id).values is None


def test_a_forked_child_has_its_own_connection_and_leaves_its_parents_writes_alone(storage, study_id, elsewhere):
    trial_id = storage.create_new_trial(study_id)
    storage.set_trial_param(trial_id, "x", 0.5, SPACE)
    child = multiprocessing.get_context("fork").Process(target=_work_in_child, args=(storage, study_id, trial_id))
    child.start()
    child.join(timeout=60)
    assert child.exitcode == 0
    storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [1.0])
    assert elsewhere.get_trial(trial_id).params == {"x": 0.5}
    assert elsewhere.get_trial(trial_id).user_attrs == {"child": True}
    assert elsewhere.get_n_trials(study_id) == 2


def _work_in_child(storage, study_id, trial_id):
    assert not storage._writes._pending
    own = storage.create_new_trial(study_id)
    storage.set_trial_state_values(own, TrialState.FAIL)
    storage.set_trial_user_attr(trial_id, "child", True)


def test_a_process_that_ends_sends_its_last_second(storage, study_id, elsewhere, study_database_url):
    script = (
        "from hpotool.storage.open import open_storage\n"
        f"storage = open_storage({study_database_url!r})\n"
        f"trial_id = storage.create_new_trial({study_id})\n"
        "storage.set_trial_user_attr(trial_id, 'last', 'word')\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, env=os.environ)
    assert elsewhere.get_all_trials(study_id)[0].user_attrs == {"last": "word"}


_ITS_DATABASE_GOES = """
import io, logging, sys
import optuna, psycopg2
from hpotool.storage.open import open_storage
own = io.StringIO()
{before}
study = optuna.create_study(storage=open_storage(sys.argv[1]))
trial = study.ask()
study._storage.remove_session()
trial.set_user_attr("last", "word")
admin = psycopg2.connect(sys.argv[2])
admin.autocommit = True
admin.cursor().execute("DROP DATABASE " + sys.argv[3] + " WITH (FORCE)")
{after}
"""
_OWN_LOGGER = "logging.getLogger('hpotool').addHandler(logging.StreamHandler(own))"
_OWN_ROOT = "logging.basicConfig(handlers=[logging.StreamHandler(own), logging.StreamHandler()])"


@pytest.mark.parametrize(
    ("before", "after", "is_heard"),
    [
        ("", "", True),
        (_OWN_LOGGER, "own.close()", False),
        (_OWN_ROOT, "own.close()", True),
        ("", "sys.stderr.close()", False),
        ("", "sys.stderr = None", False),
        ("logging.getLogger('hpotool').setLevel(logging.ERROR)", "", False),
    ],
)
def test_a_process_that_ends_without_its_database_says_so_in_one_line_where_it_can(
    postgres, before: str, after: str, is_heard: bool
) -> None:
    name = f"gone_{uuid.uuid4().hex}"
    postgres.run(f"CREATE DATABASE {name} ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0")
    script = _ITS_DATABASE_GOES.format(before=before, after=after)
    command = [sys.executable, "-c", script, postgres.url(name), postgres.url("postgres"), name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    said = [line for line in done.stderr.splitlines() if "new study created" not in line]
    assert len(said) == is_heard, done.stderr
    assert all("1 write of the last second is lost: the database" in line for line in said)


def test_what_the_database_would_refuse_later_is_refused_at_once(storage, study_id):
    trial_id = storage.create_new_trial(study_id)
    for key in ("k" * 513, "a\0b"):
        with pytest.raises(optuna.exceptions.StorageInternalError):
            storage.set_trial_user_attr(trial_id, key, 1)
    with pytest.raises(optuna.exceptions.StorageInternalError):
        storage.set_trial_intermediate_value(trial_id, 2**31, 1.0)
    with pytest.raises(TypeError):
        storage.set_trial_user_attr(trial_id, "key", object())
    storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [1.0])


def test_a_first_read_of_a_mixed_history_is_what_optuna_reads(study_database_url, storage, study_id, elsewhere):
    spaces = {"x": SPACE, "n": optuna.distributions.IntDistribution(1, 9)}
    kinds = {"kind": optuna.distributions.CategoricalDistribution(["a", None, 2.5])}
    for number in range(40):
        state = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.WAITING)[number % 4]
        distributions = {**spaces, **kinds} if number % 3 else dict(reversed(spaces.items()))
        params = {"x": number / 40, "n": 1 + number % 9, "kind": ("a", None, 2.5)[number % 3]}
        trial = create_trial(
            state=state,
            value=float("inf") if number % 8 == 0 else number if state == TrialState.COMPLETE else None,
            params={name: params[name] for name in distributions},
            distributions=distributions,
            user_attrs={"n": [number]} if number % 5 else {},
            system_attrs={"s": {"deep": None}} if number % 2 else {},
            intermediate_values={step: float("nan") if step == 3 else step for step in range(number % 6)},
        )
        elsewhere.create_new_trial(study_id, trial)
    elsewhere.create_new_trial(study_id)
    read = open_storage(study_database_url).get_all_trials(study_id, deepcopy=False)
    expected = elsewhere.get_all_trials(study_id)
    assert repr([trial.__reduce__()[1][0] if hasattr(trial, "frozen") else trial for trial in read]) == repr(
        expected
    )
    assert [list(trial.params) for trial in read] == [list(trial.params) for trial in expected]


def test_a_role_that_may_not_add_indexes_runs_trials_all_the_same(postgres, database_url):
    RDBStorage(DatabaseUrl.parse(database_url).sqlalchemy).engine.dispose()
    owner = Connection(DatabaseUrl.parse(database_url))
    role = f"writer_{uuid.uuid4().hex}"
    owner.run(f"create role {role} login password 'no-secret'")
    try:
        owner.run(
            f"grant select, insert, update, delete on all tables in schema public to {role};"
            f"grant usage on all sequences in schema public to {role}"
        )
        url = make_url(database_url).set(username=role, password="no-secret")
        storage = open_storage(url.render_as_string(hide_password=False))
        study = optuna.create_study(storage=storage)
        study.optimize(objective, n_trials=2)
        assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2
        assert owner.run("select to_regclass('hpotool_trials_number')") == [(None,)]
    finally:
        owner.run(f"drop owned by {role}; drop role {role}")


@pytest.fixture
def quiet_optuna():
    """Optuna's line about a finished trial asks for the best one: two more round trips."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


@pytest.mark.parametrize("finished", [0, 300])
def test_a_trial_costs_five_round_trips(study_database_url, study_id, finished, quiet_optuna):
    if finished:
        fill_study(Connection(DatabaseUrl.parse(study_database_url)), study_id, finished)
    with proxied(study_database_url) as (url, wire):
        study = optuna.load_study(
            study_name="a",
            storage=open_storage(url, heartbeat_interval=60),
            sampler=fast_sampler(optuna.samplers.TPESampler(seed=0)),
            pruner=fast_pruner(optuna.pruners.MedianPruner()),
        )
        study.optimize(objective, n_trials=2)
        before = wire.round_trips
        study.optimize(objective, n_trials=10)
        assert 0 < (wire.round_trips - before) / 10 < 6  # on a machine that stalls, a read may be repeated


INDEX_OF_QUERY = {
    "create_trial": "hpotool_trials_number",
    "find_trial": "hpotool_trials_number",
    "read_waiting": "hpotool_trials_unfinished",
    "find_stale_trials": "hpotool_trials_unfinished",
    "read_changes": "trials_pkey",
    "set_state_and_values": "trials_pkey",
}


def test_the_hot_queries_use_their_indexes(study_database_url, study_id):
    connection = Connection(DatabaseUrl.parse(study_database_url))
    fill_study(connection, study_id, 3_000)
    asked = {
        "study_id": study_id, "number": 17, "grace_s": 60, "with_steps": False, "limit": 5000, "trial_id": 17,
        "after": 2_990, "known": 2_990, "missing": [1_999], "running": [2_000], "own": [2_001], "waiting": [2_002],
        "state": "COMPLETE", "finished": True, "values": [1.0], "value_types": ["FINITE"],
    }  # fmt: skip
    for name, index in INDEX_OF_QUERY.items():
        *before, explained = query(name).split(";\n")
        plan = "\n".join(row[0] for row in connection.run(";\n".join([*before, f"explain {explained}"]), asked))
        assert index in plan, (name, plan)
        assert "Seq Scan on trial" not in plan, (name, plan)
