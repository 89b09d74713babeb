"""One attempt in a child process, against the same objective in plain `study.optimize`."""

import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from hpotool.errors import InputError
from hpotool.study.outcome import Outcome
from hpotool.study.spec import ConstraintSpec, MetricSpec, ObjectiveSpec, PrunerSpec, StudySpec
from hpotool.worker.attempt.constraints import set_constraints
from hpotool.worker.attempt.runner import AttemptResult, AttemptRunner
from tests import worker_objectives

MakeRunner = Callable[..., AttemptRunner]
MINIMIZE = (MetricSpec("loss", "minimize"),)


@pytest.fixture
def make_runner(tmp_path: Path) -> Iterator[MakeRunner]:
    runners: list[AttemptRunner] = []

    def make(function: str, metrics: tuple[MetricSpec, ...] = MINIMIZE, **more: Any) -> AttemptRunner:
        pruner = more.pop("pruner", PrunerSpec())
        objective = ObjectiveSpec(python=f"tests.worker_objectives:{function}", **more)
        runners.append(AttemptRunner(StudySpec("s", objective, metrics, pruner=pruner), tmp_path / "logs"))
        return runners[-1]

    yield make
    for runner in runners:
        runner.close()


def drive(runner: AttemptRunner, study: optuna.Study, trials: int) -> list[AttemptResult]:
    """What a worker's loop does with results, without a worker's loop."""
    results: list[AttemptResult] = []

    def objective(trial: optuna.Trial) -> Any:
        results.append(runner.run(trial))
        if results[-1].outcome is Outcome.PRUNED:
            raise optuna.TrialPruned(results[-1].reason)
        return results[-1].values

    study.optimize(objective, n_trials=trials)
    return results


@pytest.mark.parametrize("isolation", ["process", "none"])
def test_the_same_seed_gives_the_same_trials_as_plain_optuna(make_runner: MakeRunner, isolation: str) -> None:
    def new_study() -> optuna.Study:
        return optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=3, n_startup_trials=5), pruner=optuna.pruners.MedianPruner()
        )

    plain, ours = new_study(), new_study()
    plain.optimize(worker_objectives.quadratic, n_trials=25)
    drive(make_runner("quadratic", isolation=isolation), ours, 25)

    def content(study: optuna.Study) -> list[Any]:
        return [
            (t.state, t.params, t.distributions, t.values, t.intermediate_values, t.user_attrs, t.constraints)
            for t in study.trials
        ]

    assert content(ours) == content(plain)
    assert {t.state for t in ours.trials} == {TrialState.COMPLETE, TrialState.PRUNED}


def test_a_mapping_is_read_by_metric_name_and_the_rest_is_kept(make_runner: MakeRunner) -> None:
    metrics = (MetricSpec("accuracy", "maximize"), MetricSpec("size", "minimize"))
    trial = optuna.create_study(directions=["maximize", "minimize"]).ask()
    result = make_runner("by_name", metrics).run(trial)
    assert result.values == (trial.params["x"], 3.0)
    assert result.extra == {"latency_ms": 12.5}
    assert trial.user_attrs["latency_ms"] == 12.5


def test_what_is_returned_beside_a_metric_keeps_its_type_or_is_named_and_costs_no_result(
    make_runner: MakeRunner,
) -> None:
    trial = optuna.create_study().ask()
    result = make_runner("more_than_its_metric").run(trial)
    assert (result.outcome, result.values) == (Outcome.COMPLETE, (1.0,))
    assert trial.user_attrs == {"sizes": [1, [2, 3]], "done": True}
    assert result.reason is not None
    for why in ("'when' is a datetime", "has 600 characters", "a name must be text, not int"):
        assert why in result.reason
        assert why in result.output_tail


@pytest.mark.parametrize("number", [10**400, float("nan")])
def test_a_constrained_number_that_cannot_be_compared_is_an_error(number: float) -> None:
    spec = StudySpec("s", ObjectiveSpec(python="m:f"), MINIMIZE, constraints=(ConstraintSpec("mem", "<=", 1.0),))
    problem = set_constraints(optuna.create_study().ask(), spec, (1.0,), {"mem": number})
    assert problem == "the objective reported no number for the constraint 'mem'"


@pytest.mark.parametrize(("bound", "violation"), [(50.0, -37.5), (10.0, 2.5)])
def test_a_constraint_is_held_against_what_is_reported(tmp_path: Path, bound: float, violation: float) -> None:
    metrics = (MetricSpec("accuracy", "maximize"), MetricSpec("size", "minimize"))
    objective = ObjectiveSpec(python="tests.worker_objectives:by_name", isolation="none")
    constraints = (ConstraintSpec("latency_ms", "<=", bound), ConstraintSpec("accuracy", ">=", 0.0))
    trial = optuna.create_study(directions=["maximize", "minimize"]).ask()
    with AttemptRunner(StudySpec("s", objective, metrics, constraints=constraints), tmp_path) as runner:
        assert runner.run(trial).outcome is Outcome.COMPLETE
    assert trial.constraints == {"latency_ms": violation, "accuracy": -trial.params["x"]}


def test_a_constrained_number_that_is_not_reported_is_an_error(tmp_path: Path) -> None:
    objective = ObjectiveSpec(python="tests.worker_objectives:quadratic", isolation="none")
    spec = StudySpec("s", objective, MINIMIZE, constraints=(ConstraintSpec("latency_ms", "<=", 1.0),))
    with AttemptRunner(spec, tmp_path) as runner:
        result = runner.run(optuna.create_study().ask())
    assert (result.outcome, result.values) == (Outcome.ERROR, None)
    assert result.reason == "the objective reported no number for the constraint 'latency_ms'"


def test_a_study_may_teach_the_sampler_what_does_not_fit_into_memory(tmp_path: Path) -> None:
    objective = ObjectiveSpec(python="tests.worker_bad_endings:fills_the_gpu")
    trial = optuna.create_study().ask()
    with AttemptRunner(StudySpec("s", objective, MINIMIZE, on_oom="infeasible"), tmp_path) as runner:
        result = runner.run(trial)
    assert (result.outcome, result.is_infeasible, trial.constraints) == (Outcome.OOM, True, {"memory": 1.0})


def test_a_study_of_several_metrics_is_pruned_by_the_named_one(make_runner: MakeRunner) -> None:
    metrics = (MetricSpec("size", "minimize"), MetricSpec("accuracy", "maximize"))
    study = optuna.create_study(
        directions=["minimize", "maximize"],
        pruner=optuna.pruners.ThresholdPruner(lower=0.5),
        sampler=optuna.samplers.RandomSampler(seed=0),
    )
    runner = make_runner("several_metrics", metrics, pruner=PrunerSpec("threshold", metric="accuracy"))
    drive(runner, study, 8)
    pruned = [t for t in study.trials if t.state is TrialState.PRUNED]
    assert [t for t in study.trials if t.params["x"] < 0.5] == pruned
    assert 0 < len(pruned) < 8
    kept = next(t for t in study.trials if t not in pruned)
    assert kept.intermediate_values == dict.fromkeys(range(4), kept.params["x"])
    assert kept.system_attrs["hpotool:reports:size"] == {"0": 0.0, "1": 1.0, "2": 2.0, "3": 3.0}


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("no.such.module:objective", "cannot be imported: ModuleNotFoundError: No module named 'no'"),
        ("tests.worker_objectives:missing", "has no 'missing'"),
        ("tests.worker_objectives:not_callable", "is a int, not a function"),
        ("tests.worker_objectives", "is not of the form module:function"),
    ],
)
def test_an_objective_that_cannot_be_imported_says_so_at_the_start(
    tmp_path: Path, reference: str, sentence: str
) -> None:
    with (
        AttemptRunner(StudySpec("s", ObjectiveSpec(python=reference), MINIMIZE), tmp_path) as runner,
        pytest.raises(InputError, match=sentence),
    ):
        runner.start()


def test_the_working_directory_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "only_here.py").write_text("def objective(trial):\n    return 1.0\n")
    monkeypatch.chdir(tmp_path)
    spec = StudySpec("s", ObjectiveSpec(python="only_here:objective"), MINIMIZE)
    with AttemptRunner(spec, tmp_path / "logs") as runner:
        assert runner.run(optuna.create_study().ask()).values == (1.0,)


def test_no_password_reaches_the_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://me:sesame@host/db"
    for name in ("HPOTOOL_STORAGE", "PGPASSWORD", "MY_OWN_COPY"):
        monkeypatch.setenv(name, url)
    (tmp_path / "shows_environment.py").write_text(
        "import os\n"
        "def objective(trial):\n"
        "    parent = open(f'/proc/{os.getppid()}/environ').read()\n"
        "    print(parent, open('/proc/self/environ').read(), dict(os.environ))\n"
        "    return 1.0\n"
    )
    monkeypatch.chdir(tmp_path)
    spec = StudySpec("s", ObjectiveSpec(python="shows_environment:objective"), MINIMIZE)
    with AttemptRunner(spec, tmp_path / "logs", {"CUDA_VISIBLE_DEVICES": "GPU-7"}) as runner:
        result = runner.run(optuna.create_study().ask(), seed=5)
    assert result.log is not None
    printed = result.log.read_text()
    assert "sesame" not in printed
    assert "GPU-7" in printed
    assert "'HPOTOOL_SEED': '5'" in printed
    assert os.environ["HPOTOOL_STORAGE"] == url


@pytest.mark.parametrize("isolation", ["process", "none"])
@pytest.mark.parametrize("function", ["uses_everything", "ends_a_pool"])
def test_what_plain_objectives_do_works(make_runner: MakeRunner, function: str, isolation: str) -> None:
    trial = optuna.create_study(pruner=optuna.pruners.NopPruner()).ask()
    result = make_runner(function, isolation=isolation, timeout=timedelta(seconds=60)).run(trial)
    assert result.values == (1.0,), result


def test_an_objective_can_ask_about_its_study(make_runner: MakeRunner) -> None:
    study = optuna.create_study()
    study.set_user_attr("owner", "me")
    runner = make_runner("asks_its_study")
    for _ in range(3):
        trial = study.ask()
        study.tell(trial, runner.run(trial).values)
    assert study.best_value == 0.25
    assert study.user_attrs["seen"] == 2


def test_a_seed_repeats_an_attempt_and_without_one_attempts_differ(make_runner: MakeRunner) -> None:
    pytest.importorskip("numpy")
    runner = make_runner("draws_numbers")
    study = optuna.create_study()
    seeds = [5, 5, 6, None, None]
    results = [runner.run(study.ask(), seed=seed) for seed in seeds]
    drawn = [(result.values, result.extra["numpy"]) for result in results]
    assert drawn[0] == drawn[1]
    for place in (0, 1):
        assert len({values[place] for values in drawn}) == 4


@pytest.mark.parametrize("module", ["pytorch_digits", "xgboost_digits"])
def test_importing_torch_or_xgboost_makes_no_attempt_import_anew(tmp_path: Path, module: str) -> None:
    pytest.importorskip("torch")
    objective = ObjectiveSpec(python=f"objectives.{module}:objective")
    with AttemptRunner(StudySpec("s", objective, MINIMIZE), tmp_path) as runner:
        assert runner.start() is None


def test_a_child_imports_nothing_for_its_first_optimizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "makes_an_optimizer.py").write_text(
        "import sys, torch\n"
        "def objective(trial):\n"
        "    before = set(sys.modules)\n"
        "    torch.optim.AdamW(torch.nn.Linear(4, 4).parameters())\n"
        "    return float(len(set(sys.modules) - before))\n"
    )
    monkeypatch.chdir(tmp_path)
    objective = ObjectiveSpec(python="makes_an_optimizer:objective")
    with AttemptRunner(StudySpec("s", objective, MINIMIZE), tmp_path) as runner:
        assert runner.start() is None
        assert runner.run(optuna.create_study().ask()).values == (0.0,)


def test_a_module_that_leaves_threads_is_imported_by_each_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "starts_a_thread.py").write_text(
        "import os, threading, time\n"
        "imported_by = os.getpid()\n"
        "threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()\n"
        "def objective(trial):\n"
        "    return float(imported_by == os.getpid())\n"
    )
    monkeypatch.chdir(tmp_path)
    spec = StudySpec("s", ObjectiveSpec(python="starts_a_thread:objective"), MINIMIZE)
    with AttemptRunner(spec, tmp_path / "logs") as runner:
        assert runner.start() == "importing it has left threads running"
        for _ in range(2):
            assert runner.run(optuna.create_study().ask()).values == (1.0,)


class AwayForAWhile(optuna.samplers.RandomSampler):
    """Takes its time over the first suggestion, as any question does while the database is away."""

    def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
        if not trial.params:
            time.sleep(2.5)
        return super().sample_independent(study, trial, name, distribution)


def test_the_time_that_the_database_is_away_is_not_the_attempts(make_runner: MakeRunner) -> None:
    runner = make_runner("quadratic", timeout=timedelta(seconds=2), stall=timedelta(seconds=1))
    runner.start()
    study = optuna.create_study(sampler=AwayForAWhile(), pruner=optuna.pruners.NopPruner())
    assert runner.run(study.ask()).outcome is Outcome.COMPLETE
