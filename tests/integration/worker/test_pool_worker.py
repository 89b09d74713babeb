"""A pool's worker on real studies: one process that goes from one to the other, whatever happens to them."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest

from hpotool.analysis.pace import is_forsaken
from hpotool.errors import NotFoundError
from hpotool.settings import read_pulse
from hpotool.storage.control.confirmations import order_confirmation
from hpotool.storage.control.creation import change_spec, create_or_resume, read_spec
from hpotool.storage.control.health import read_study_health
from hpotool.storage.control.keeping import delete_study, rename_study, set_archived
from hpotool.storage.control.launches import record_launch
from hpotool.storage.control.orders import read_events, set_state
from hpotool.storage.control.studies import list_studies, read_progress
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import claim_trial, new_attempt_id
from hpotool.storage.fleet.quarantines import begin_quarantine, lift_quarantines
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.storage.monitoring.gauges import read_gauges
from hpotool.storage.pools.accounts import set_quota
from hpotool.storage.pools.turns import Turn, choose_study, register_pool_worker
from hpotool.storage.tracking.jobs import Job
from hpotool.storage.tracking.notices import read_activity
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.file.reader import read_study_file
from hpotool.study.rules.quarantine import Place
from hpotool.worker.allowed import Allowed
from hpotool.worker.gpu import Slot
from hpotool.worker.loop import Departure
from hpotool.worker.membership.identity import identify_worker
from hpotool.worker.pool import open_studies
from hpotool.worker.pool.start_pool import run_pool_worker
from hpotool.worker.serving.options import WorkerOptions
from hpotool.worker.start import run_worker
from tests.benchmarks.wire import proxied
from tests.faults.fleet import wait_until

MODULE = """
import os, time
from pathlib import Path

HERE = Path(__file__).parent
with (HERE / "imported").open("a") as file:
    file.write("{name}\\n")
while (HERE / "importing-{name}").exists():
    time.sleep(0.02)

def f(trial):
    x = trial.suggest_float("x", 0, 1)
    with (HERE / "ran").open("a") as file:
        file.write("{name} " + str(os.getppid()) + "\\n")
    while (HERE / "hold-{name}").exists():
        time.sleep(0.02)
    if (HERE / "broken-{name}").exists():
        raise ValueError("it is broken")
    return x
"""


@dataclass
class Scene:
    """Studies of the pool ``p`` with a module each, and workers in threads of the test."""

    url: DatabaseUrl
    folder: Path
    departures: list[Departure] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection = Connection(self.url)

    def add(
        self,
        name: str,
        settings: str = "",
        trials: int = 3,
        isolation: str = "process",
        sampler: str = "random",
    ) -> int:
        module = f"pool_{name}_{self.folder.name.replace('-', '_')}"
        (self.folder / f"{module}.py").write_text(MODULE.replace("{name}", name))
        text = (
            f"study: {name}\nobjective: {{python: '{module}:f', isolation: {isolation}}}\n"
            f"metrics: {{loss: minimize}}\nbudget: {{trials: {trials}}}\nsampler: {sampler!r}\npool: p\n{settings}"
        )
        create_or_resume(self.connection, read_study_file(text), "test")
        return int(self.ask("SELECT study_id FROM studies WHERE study_name = %s", name))

    def ask(self, statement: str, *values: object) -> Any:
        return self.connection.run(statement, values)[0][0]

    def finished(self, name: str) -> int:
        return int(
            self.ask(
                "SELECT count(*) FROM trials JOIN studies USING (study_id) "
                "WHERE study_name = %s AND state = 'COMPLETE'",
                name,
            )
        )

    def lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def work(self, *, stays: bool = False, **options: Any) -> Departure:
        return run_pool_worker(self.url, "p", WorkerOptions(Slot("gpu 0"), **options), stays=stays)

    @contextmanager
    def working(self, **options: Any) -> Iterator[threading.Thread]:
        thread = threading.Thread(target=lambda: self.departures.append(self.work(**options)))
        thread.start()
        try:
            yield thread
        finally:
            self.connection.run("UPDATE hpotool.workers SET told_to = 'stop'")
            thread.join(60)
            assert not thread.is_alive()


@pytest.fixture
def scene(study_database_url: str, hpotool_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("HPOTOOL_HEARTBEAT_INTERVAL_S", "0.4")
    monkeypatch.setenv("HPOTOOL_GRACE_PERIOD_S", "2")
    monkeypatch.chdir(tmp_path)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return Scene(DatabaseUrl.parse(study_database_url), tmp_path)


def test_one_process_serves_several_studies_in_turn_and_imports_each_once(scene: Scene) -> None:
    for name in ("a", "b"):
        scene.add(name, trials=4)
    left = scene.work()
    assert left == Departure("every study of pool p is done or stopped")
    assert [scene.finished(name) for name in ("a", "b")] == [4, 4]
    assert sorted(scene.lines("imported")) == ["a", "b"], "in a process for each, which stays"
    ran = [line.split() for line in scene.lines("ran")]
    assert len({(name, process) for name, process in ran}) == 2
    assert [name for name, _ in ran] not in (["a"] * 4 + ["b"] * 4, ["b"] * 4 + ["a"] * 4), "in turn"
    assert scene.ask("SELECT count(DISTINCT worker_id) FROM hpotool.attempts") == 1
    assert scene.connection.run("SELECT end_reason FROM hpotool.workers") == [(left.reason,)]


def test_a_trial_of_a_pool_costs_one_round_trip_more(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPOTOOL_HEARTBEAT_INTERVAL_S", "600")
    monkeypatch.setenv("HPOTOOL_GRACE_PERIOD_S", "1200")
    options = WorkerOptions(Slot("cpu"))
    alone: Callable[..., Departure] = lambda url, name: run_worker(url, name, options)  # noqa: E731
    pooled: Callable[..., Departure] = lambda url, _: run_pool_worker(url, "p", options)  # noqa: E731
    costs = {}
    for kind, run in {"alone": alone, "pooled": pooled}.items():
        counts = []
        for trials in (5, 45):
            scene.add(f"{kind}{trials}", trials=trials, isolation="none")
            with proxied(scene.url.url.render_as_string(hide_password=False)) as (url, wire):
                run(DatabaseUrl.parse(url), f"{kind}{trials}")
                counts.append(wire.round_trips)
            set_state(
                scene.connection.run,
                scene.ask("SELECT study_id FROM studies WHERE study_name = %s", f"{kind}{trials}"),
                "stopped",
                "",
                "test",
            )
        costs[kind] = (counts[1] - counts[0]) / 40
    # The threads of the heartbeat and the reaper ask now and then, the more the slower the machine is.
    assert costs["pooled"] <= costs["alone"] + 1 + 0.5, costs


def test_a_study_that_cannot_run_here_is_left_to_others(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.add("good")
    scene.add("bad", "priority: 5\n")
    change_spec(
        scene.connection,
        "bad",
        lambda spec: replace(spec, objective=replace(spec.objective, python="not_there:f")),
        "test",
    )
    with caplog.at_level("INFO"):
        left = scene.work()
    assert scene.finished("good") == 3
    assert left.exit_code == 1
    assert left.reason.startswith("no study that is left in pool p can run here: ")
    assert "not_there" in left.reason
    assert "this worker cannot run the study" in caplog.text
    assert scene.ask(
        "SELECT is_open FROM hpotool.pool_places JOIN studies USING (study_id) WHERE study_name = 'bad'"
    )


def test_settings_that_change_a_trial_count_from_the_next_one_on(scene: Scene) -> None:
    scene.add("a", trials=3)
    hold = scene.folder / "hold-a"
    hold.touch()
    with scene.working() as thread:
        wait_until(lambda: len(scene.lines("ran")) == 1, "the first trial")
        change_spec(scene.connection, "a", lambda spec: replace(spec, weight=7.0, max_running=1), "test")
        hold.unlink()
        wait_until(lambda: scene.finished("a") == 3, "the rest")
        thread.join(60)
    assert scene.lines("imported") == ["a"], "what only the choice reads opens nothing anew"
    scene.add("b", trials=3)
    (scene.folder / "hold-b").touch()
    with scene.working() as thread:
        wait_until(lambda: any(line.startswith("b") for line in scene.lines("ran")), "the first trial")
        change_spec(
            scene.connection,
            "b",
            lambda spec: replace(spec, objective=replace(spec.objective, environment={"A": "1"})),
            "test",
        )
        (scene.folder / "hold-b").unlink()
        wait_until(lambda: scene.finished("b") == 3, "the rest")
        thread.join(60)
    assert scene.lines("imported") == ["a", "b", "b"], "with another environment, in another process"


def test_a_worker_that_stays_survives_the_end_and_the_deletion_of_its_study(scene: Scene) -> None:
    scene.add("a", trials=1)
    with scene.working(stays=True) as thread:
        wait_until(lambda: scene.finished("a") == 1, "the first study")
        optuna.delete_study(study_name="a", storage=optuna.storages.RDBStorage(scene.url.sqlalchemy))
        wait_until(
            lambda: scene.ask("SELECT count(*) FROM hpotool.workers WHERE ended_at IS NULL"),
            "it to register again",
        )
        assert thread.is_alive()
        scene.add("b", trials=2)
        wait_until(lambda: scene.finished("b") == 2, "the study that came later")
        assert thread.is_alive()
    assert scene.departures == [Departure("asked to leave: hpotool workers asked this worker to leave")]


def test_what_it_waits_for_is_in_the_log(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.add("a", "owner: ann\n")
    paused = scene.add("b", "priority: 1\n")
    set_state(scene.connection.run, paused, "paused", "", "test")
    set_quota(scene.connection.run, "ann", "day", 0, "test")
    with caplog.at_level("INFO"), scene.working():
        wait_until(lambda: "waiting: " in caplog.text, "it to say why it waits")
    assert "waiting: b is paused; a is over quota: ann has used 0.00 of 0 GPU-hours of this day" in caplog.text


def test_a_pool_that_no_study_names_is_refused(scene: Scene) -> None:
    with pytest.raises(NotFoundError, match="no study is in pool 'p'\n"):
        scene.work()
    scene.add("a")
    with pytest.raises(NotFoundError, match="no study is in pool 'q'; there are p") as refused:
        run_pool_worker(scene.url, "q", WorkerOptions(Slot("cpu")))
    assert "hpotool worker --pool q --stay" in str(refused.value.hint)


def test_a_lost_workers_trial_is_reaped_whichever_study_is_served(scene: Scene) -> None:
    """Its own study has no other worker; and it is retried as that study says."""
    lost_study = scene.add("lost", "retry: {lost: 0}\nmax_running: 1\n", trials=1)
    scene.add("other", "priority: -1\n", trials=1)
    here = identify_worker("cpu")
    gone = WorkerIdentity("gone", here.host, 2**22 - 3, here.process_space, "0", "cpu")
    register_pool_worker(scene.connection.run, "p", gone)
    assert isinstance(choose_study(scene.connection.run, "p"), Turn)
    claim_trial(scene.connection.run, lost_study, gone, new_attempt_id())
    scene.work()
    assert [scene.finished(name) for name in ("other", "lost")] == [1, 1]
    rows = scene.connection.run(
        "SELECT outcome, (SELECT count(*) FROM hpotool.retries) FROM hpotool.attempts WHERE worker_id = 'gone'"
    )
    assert rows == [("lost", 0)]


def test_a_study_that_only_a_newer_hpotool_understands_keeps_no_other_from_being_reaped(scene: Scene) -> None:
    newer = scene.add("newer", "max_running: 1\n", trials=1)
    older = scene.add("older", "max_running: 1\n", trials=1)
    here = identify_worker("cpu")
    for number, study_id in enumerate((newer, older)):
        gone = WorkerIdentity(f"gone-{number}", here.host, 2**22 - 3, here.process_space, "0", "cpu")
        register_pool_worker(scene.connection.run, "p", gone)
        claim_trial(scene.connection.run, study_id, gone, new_attempt_id())
    scene.connection.run(
        "UPDATE hpotool.study_settings SET spec = jsonb_set(spec, '{sampler,name}', '\"of-tomorrow\"') "
        "WHERE study_id = %s",
        (newer,),
    )
    with scene.working():
        wait_until(lambda: scene.finished("older") == 1, "the lost trial of the other study to be run again")
    assert scene.ask("SELECT state::text FROM trials WHERE study_id = %s", newer) == "RUNNING"


OTHERS = {
    "tiers": "tiers: [{trials: 2, steps: 2}, {trials: 1, steps: 4}]\nsampler: random\n",
    "population": "sampler: {name: pbt, population_size: 4, interval: 1}\nbudget: {trials: 6}\n",
    "grid": "sampler: grid\n",
    "once": "duplicates: skip\nsampler: random\nbudget: {trials: 3}\n",
}


def test_every_kind_of_study_is_served_in_one_pool(scene: Scene) -> None:
    """Tiers, a population, a grid, a command, an objective in the worker's own process, and confirmations."""
    scene.add("in_process", isolation="none")
    (scene.folder / "kinds.py").write_text(
        "def f(trial):\n    x = trial.suggest_categorical('x', [1, 2, 3])\n"
        "    for step in range(1, 5):\n        trial.report(float(x), step)\n    return float(x)\n"
    )
    space = "search_space: {x: {choice: [1, 2, 3]}}\n"
    for name, settings in OTHERS.items():
        objective = "objective: {python: 'kinds:f'}\n"
        text = f"study: {name}\n{objective}metrics: {{loss: minimize}}\npool: p\n{space}{settings}"
        create_or_resume(scene.connection, read_study_file(text), "test")
    command = "objective: {command: [printf, '{{\"loss\": %s}}', '{x}']}\n"
    text = f"study: command\n{command}metrics: {{loss: minimize}}\npool: p\n{space}budget: {{trials: 3}}\n"
    create_or_resume(scene.connection, read_study_file(text), "test")
    asked = scene.add("asked", trials=1)
    with scene.working(stays=True):
        expected = {"in_process": 3, "tiers": 3, "population": 6, "grid": 3, "once": 3, "command": 3, "asked": 1}
        wait_until(lambda: {name: scene.finished(name) for name in expected} == expected, "every study to be done")
        order = Order((Point("trial 0", {"x": 0.5}, trial=0),), seeds=2)
        order_confirmation(scene.connection.run, asked, "test", order.including)
        wait_until(lambda: scene.finished("asked") == 3, "the confirmations of a study that was done")
    assert scene.departures[0].exit_code == 0


def test_a_worker_keeps_only_a_few_studies_open(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_studies, "MOST_OPEN", 2)
    for name in "abc":
        scene.add(name, trials=2)
    scene.work()
    assert [scene.finished(name) for name in "abc"] == [2, 2, 2]
    imports = scene.lines("imported")
    assert set(imports) == {"a", "b", "c"}
    assert len(imports) > 3, "what was closed for another one is opened again"


def test_a_study_that_could_not_run_here_is_tried_again_later(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(open_studies, "UNFIT_FOR_S", 0.5)
    scene.add("a", trials=1)
    [module] = scene.folder.glob("pool_a_*.py")
    text = module.read_text()
    module.write_text("import not_installed_yet\n" + text)
    with scene.working(stays=True):
        wait_until(lambda: "this worker cannot run the study" in caplog.text, "it to see that")
        module.write_text(text)
        wait_until(lambda: scene.finished("a") == 1, "the study to be tried again")


def test_code_that_is_not_allowed_is_left_and_never_imported(scene: Scene) -> None:
    scene.add("good", trials=1)
    scene.add("evil", "priority: 5\n", trials=1)
    [module] = scene.folder.glob("pool_good_*.py")
    left = scene.work(allowed=Allowed(frozenset({f"{module.stem}:f"})))
    assert scene.lines("imported") == ["good"]
    assert "names other code" in left.reason


def test_a_strict_study_is_left_by_a_worker_that_differs(scene: Scene) -> None:
    scene.add("strict", "strict: true\n", trials=1)
    scene.connection.run("""UPDATE hpotool.study_settings SET versions = '{"python": "2.7"}'""")
    left = scene.work()
    assert left.exit_code == 1
    assert "differs from the state in which the study was created" in left.reason
    assert scene.finished("strict") == 0


def test_a_limit_of_a_study_ends_it_and_not_the_worker(scene: Scene) -> None:
    scene.add("limited", "priority: 5\n", trials=99)
    change_spec(
        scene.connection,
        "limited",
        lambda spec: replace(spec, budget=replace(spec.budget, target={"loss": 1.0})),
        "test",
    )
    scene.add("other", trials=2)
    assert scene.work().exit_code == 0
    assert scene.finished("limited") == 1
    assert scene.finished("other") == 2
    assert scene.connection.run("SELECT state FROM hpotool.study_settings ORDER BY study_id") == [
        ("done",),
        ("running",),
    ]


def test_a_worker_in_quarantine_for_one_study_serves_the_others(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(open_studies, "PASSED_OVER_FOR_S", {"quarantined": 0.2, "device": math.inf})
    shut_out = scene.add("a", "priority: 5\n")
    scene.add("b")
    place = Place(identify_worker("cpu").host)
    begin_quarantine(scene.connection.run, shut_out, place, "its disk is full", "ann")
    with caplog.at_level("INFO"), scene.working() as thread:
        wait_until(lambda: scene.finished("b") == 3, "the study that it may serve")
        wait_until(lambda: "waiting: a: " in caplog.text, "it to say why it waits")
        wait_until(lambda: scene.ask("SELECT waits FROM hpotool.workers"), "the registry to say it, too")
        said = scene.ask("SELECT waits FROM hpotool.workers")
        assert said.startswith(f"a: {place.host} is in quarantine until ")
        assert thread.is_alive(), "it waits for the end of the quarantine"
        assert scene.finished("a") == 0
        assert scene.ask("SELECT is_open FROM hpotool.pool_places WHERE study_id = %s", shut_out), "for others"
        lift_quarantines(scene.connection.run, shut_out, None, "ann")
        wait_until(lambda: scene.finished("a") == 3, "the other one to be served again")
        thread.join(60)
    assert scene.departures == [Departure("every study of pool p is done or stopped")]


def test_each_attempt_knows_the_data_of_its_own_study(scene: Scene) -> None:
    for name in ("a", "b"):
        (scene.folder / f"{name}.csv").write_text(name)
        scene.add(name, f"data: [{name}.csv]\n")
    scene.work()
    found = scene.connection.run(
        "SELECT DISTINCT study_name, data_hash FROM hpotool.attempts JOIN studies USING (study_id)"
    )
    assert len(found) == len({data for _, data in found if data}) == 2


def test_a_strict_study_whose_data_changed_is_left_and_the_others_are_served(scene: Scene) -> None:
    (scene.folder / "a.csv").write_text("1")
    strict = "strict: true\ndata: [a.csv]\n"
    study_id = scene.add("a", strict, trials=1)
    scene.work()
    (scene.folder / "a.csv").write_text("22")
    more = replace(read_spec(scene.connection, "a")[1].budget, trials=3)
    change_spec(scene.connection, "a", lambda spec: replace(spec, budget=more), "me")
    set_state(scene.connection.run, study_id, "running", "", "me")
    scene.add("b")
    left = scene.work()
    assert [scene.finished(name) for name in ("a", "b")] == [1, 3]
    assert "a.csv has another content" in left.reason


def test_a_search_that_can_gain_little_more_ends_its_study_and_not_the_worker(scene: Scene) -> None:
    study_id = scene.add("a", trials=2000)
    enough = replace(read_spec(scene.connection, "a")[1].budget, regret=1000.0)
    change_spec(scene.connection, "a", lambda spec: replace(spec, budget=enough), "me")
    scene.add("b", "priority: -1\n")
    scene.work()
    assert scene.finished("a") < 2000
    assert scene.finished("b") == 3
    [reason] = scene.connection.run(
        "SELECT reason FROM hpotool.events WHERE study_id = %s AND to_state = 'done'", (study_id,)
    )
    assert reason[0].startswith("budget.regret: ")


def test_a_breaker_that_opens_in_one_study_leaves_the_worker_to_the_others(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    broken = scene.add("broken", "priority: 5\n", trials=99)
    scene.add("sound")
    (scene.folder / "broken-broken").touch()
    with caplog.at_level("INFO"):
        departure = scene.work()
    assert scene.finished("sound") == 3
    assert len([line for line in scene.lines("ran") if line.startswith("broken")]) == 10
    assert departure.exit_code == 1
    because = "circuit breaker: the last 10 different points failed on this worker (error)"
    assert departure.reason.startswith(f"no study that is left in pool p can run here: broken: {because}")
    assert "this worker goes on with the other studies of the pool" in caplog.text
    [event] = [
        event
        for event in read_events(scene.connection.run, broken)
        if event.kind == "worker" and event.reason.startswith(because)
    ]
    assert event.to_state == "ended", "people are told of it"
    assert event.reason.endswith("; the worker goes on with the other studies of pool p")


def test_a_study_is_tried_again_long_after_its_breaker_opened(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_studies, "SHUT_OUT_FOR_S", 1.0)
    scene.add("broken", "priority: 5\n", trials=3)
    (scene.folder / "broken-broken").touch()
    with scene.working(stays=True):
        wait_until(lambda: len(scene.lines("ran")) >= 12, "one more try, and one more")
        (scene.folder / "broken-broken").unlink()
        wait_until(lambda: scene.finished("broken") == 3, "the study to be done after all")


@pytest.mark.parametrize("fate", ["deleted", "renamed", "archived", "paused", "moved to another pool"])
def test_whatever_becomes_of_a_study_while_its_objective_is_imported(scene: Scene, fate: str) -> None:
    study_id = scene.add("first", "priority: 5\n")
    scene.add("second")
    held = scene.folder / "importing-first"
    held.touch()
    run = scene.connection.run
    with scene.working() as thread:
        wait_until(lambda: "first" in scene.lines("imported"), "the import to begin")
        if fate == "deleted":
            delete_study(scene.connection, study_id)
        elif fate == "renamed":
            rename_study(scene.connection, "first", "other", "ann")
        elif fate == "archived":
            set_archived(scene.connection, study_id, archived=True)
        elif fate == "paused":
            set_state(run, study_id, "paused", "", "ann")
        else:
            change_spec(scene.connection, "first", lambda spec: replace(spec, pool="q"), "ann")
        held.unlink()
        wait_until(lambda: scene.finished("second") == 3, "the other study")
        if fate == "paused":
            set_state(run, study_id, "running", "", "ann")
        if fate in ("renamed", "archived", "paused"):
            name = "other" if fate == "renamed" else "first"
            wait_until(lambda: scene.finished(name) == 3, "the study itself")
        thread.join(60)
    assert [departure.exit_code for departure in scene.departures] == [0]


def test_somebodys_own_sampler_that_fails_costs_its_study_the_worker_and_nothing_else(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    (scene.folder / "own_samplers.py").write_text(
        "import optuna\nclass Broken(optuna.samplers.RandomSampler):\n"
        "    def __init__(self, seed=None):\n        raise ZeroDivisionError('no\\nluck')\n"
    )
    scene.add("odd", "priority: 5\n", sampler="own_samplers:Broken")
    scene.add("sound")
    departure = scene.work()
    assert scene.finished("sound") == 3
    assert "ZeroDivisionError: no luck" in departure.reason
    assert "Traceback" in caplog.text, "its author needs to know where"
    assert "it was raised in line 4 of " in caplog.text


def test_a_study_whose_pools_workers_serve_others_is_not_left_by_all(scene: Scene) -> None:
    """It waits for its turn: nobody is told to start a worker, until the pool's last one has left."""
    waiting = scene.add("waiting", "priority: -5\n")
    scene.add("busy", "priority: 5\n", trials=2)
    (scene.folder / "hold-busy").touch()
    run, job = scene.connection.run, Job(waiting, "notify", "ann")
    record_launch(run, waiting, "local-1", "local", 1, {"pool": "p"}, "ann", "1 worker by local")
    pulse = read_pulse()
    [summary] = list_studies(scene.connection, "waiting")

    def seen() -> tuple[bool, int, int, int]:
        health = read_study_health(run, waiting, silent_after_s=5.0, gone_after_s=5.0)
        [gauges] = [one for one in read_gauges(scene.connection, pulse).studies if one.name == "waiting"]
        working = read_activity(run, job, timedelta(seconds=5), 10).working
        return (
            is_forsaken(read_progress(scene.connection, summary)),
            health.pool_workers,
            gauges.pool_workers,
            working,
        )

    assert seen() == (True, 0, 0, 0)
    with scene.working():
        wait_until(lambda: scene.lines("ran"), "the other study's trial")
        assert seen() == (False, 1, 1, 1)
        assert scene.ask("SELECT count(*) FROM hpotool.workers WHERE study_id = %s", waiting) == 0
        scene.connection.run("UPDATE hpotool.workers SET launch_id = 'local-1'")
        [launched] = read_study_health(run, waiting, silent_after_s=5.0, gone_after_s=5.0).workers
        assert launched["launch"] == "local-1", "else doctor would say that the launch lacks it"
    assert seen() == (True, 0, 0, 0)
