"""The benchmark measures what it says: the same study for the same seed, and regret above an optimum of 0."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from tests.benchmarks.libraries.library import Declaration, LibrarySampler, is_counted, value_of
from tests.benchmarks.problems import REPORTED, Metrics, Problem, SeveralMetrics
from tests.benchmarks.search_quality import (
    SAMPLERS,
    UNSUPPORTED,
    Run,
    _evaluate,
    read_runs,
    runs_in,
    simulate,
    summarise,
)
from tests.benchmarks.search_report import (
    against_others,
    by_group,
    failures,
    overall,
    report,
    side_by_side,
    suggestion_costs,
)
from tests.benchmarks.tuning_problems import TUNING

ALL = (*REPORTED, *TUNING)
ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "tests" / "benchmarks" / "results"


class RandomTrial:
    """What a problem asks of a trial, answered at random: a study of Optuna's takes ten times as long for it."""

    def __init__(self, rng: random.Random) -> None:
        self._random = rng
        self._drawn: dict[str, Any] = {}
        self.violations: list[float] = []

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        if step is not None:
            return self._keep(name, low + step * self._random.randint(0, round((high - low) / step)))
        return self._keep(name, self._between(low, high, log))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        if log:
            return self._keep(name, min(max(round(self._between(low - 0.5, high + 0.5, log)), low), high))
        return self._keep(name, self._random.randrange(low, high + 1, step))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._keep(name, self._random.choice(choices))

    def set_constraint(self, name: str, violation: float) -> None:
        self.violations.append(violation)

    def _between(self, low: float, high: float, log: bool) -> float:
        if not log:
            return self._random.uniform(low, high)
        return min(max(math.exp(self._random.uniform(math.log(low), math.log(high))), low), high)

    def _keep(self, name: str, value: Any) -> Any:
        return self._drawn.setdefault(name, value)  # asked again, a trial answers the same


@pytest.mark.parametrize("problem", ALL, ids=[problem.name for problem in ALL])
def test_no_point_is_better_than_the_optimum(problem: Problem | SeveralMetrics) -> None:
    for seed in range(3):
        objective = problem.draw(np.random.default_rng(seed))
        rng = random.Random(seed)
        trials = [RandomTrial(rng) for _ in range(300)]
        ended = [(trial, _evaluate(objective, trial)) for trial in trials]  # type: ignore[arg-type]
        feasible = [values for trial, values in ended if values and max(trial.violations, default=0) <= 0]
        if isinstance(objective, Metrics):
            for values in feasible:  # nothing is better than all of the front
                assert not (np.asarray(values) < objective.front - 1e-9).all(axis=1).any()
            continue
        values = [value for (value,) in feasible]
        assert min(values, default=0.0) >= -1e-9
        assert len(values) < 2 or min(values) < np.median(values)


@pytest.mark.parametrize("kind", ["crashing", "constrained", "two metrics", "three metrics"])
def test_a_run_of_each_class_counts_what_failed_and_what_was_found(kind: str) -> None:
    problem = next(problem for problem in TUNING if problem.kind == kind)
    run = simulate("random", problem, 4, 0, [10, 60])
    assert 0 <= run.regret[60] <= max(run.regret[10], 1.0)
    assert (run.failed > 5) == (kind == "crashing")


def test_the_reported_problems_are_not_those_to_tune_on() -> None:
    assert not {problem.name for problem in REPORTED} & {problem.name for problem in TUNING}
    assert not {problem.draw for problem in REPORTED} & {problem.draw for problem in TUNING}


def test_a_simulation_repeats_itself_and_workers_change_it() -> None:
    problem = TUNING[0]
    one, again, many = (simulate("auto", problem, workers, 3, [15, 25]).regret for workers in (1, 1, 8))
    assert one == again
    assert one != many
    assert one[25] <= one[15]


def test_a_sampler_sees_no_value_before_its_trial_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.benchmarks import search_quality

    seen = []

    class Counting(optuna.samplers.RandomSampler):
        def infer_relative_search_space(self, study, trial):  # type: ignore[no-untyped-def]
            states = [other.state.name for other in study.get_trials(deepcopy=False)]
            seen.append((states.count("COMPLETE"), states.count("RUNNING")))
            return {}

    monkeypatch.setitem(search_quality.SAMPLERS, "counting", lambda seed: Counting(seed=seed))
    simulate("counting", TUNING[0], 4, 0, [10])
    assert seen[:4] == [(0, 1), (0, 2), (0, 3), (0, 4)]
    assert seen[4:] == [(finished, 4) for finished in range(1, 7)]


def test_a_summary_averages_over_problems_and_gives_the_error_over_seeds() -> None:
    runs = [
        Run("auto", name, "numeric", 8, seed, {100: 0.1 * (seed + 1)}, 0.0) for name in "ab" for seed in (0, 1)
    ]
    _, line = summarise(runs, 100)
    assert line.split() == ["auto", "8", "0.1500", "0.0500", "0.1500"]


def test_a_report_pairs_the_seeds_and_leaves_out_those_that_are_not_complete(tmp_path: Path) -> None:
    def run(sampler: str, problem: str, workers: int, seed: int, regret: float) -> Run:
        return Run(sampler, problem, "numeric" if problem == "a" else "noisy", workers, seed, {100: regret}, 0.0)

    runs = [
        run(sampler, problem, workers, seed, regret + 0.2 * seed)
        for sampler, workers, regret in (("tpe", 1, 0.1), ("tpe", 32, 0.4), ("auto", 32, 0.2), ("auto", 1, 0.1))
        for problem in "ab"
        for seed in (0, 1)
    ]
    runs.append(run("auto", "a", 32, 2, 9.0))  # without its "b"
    file = tmp_path / "runs.jsonl"
    file.write_text("".join(json.dumps(asdict(one)) + "\n" for one in runs))
    assert read_runs(file) == runs
    lines = report(runs).splitlines()
    assert "| `auto` | 32 | 2 | 0.300 ± 0.100 |" in lines  # the mean of 0.2 and 0.4
    assert "| noisy | 32 | 0.300 | 0.500 | -0.200 ± 0.000 |" in lines
    assert "| `tpe` | 32 | 2 | -0.200 ± 0.000 |" in lines
    assert "| `tpe` | `tpe` | +0.300 ± 0.000 |" in lines
    assert "| `auto` | `tpe` | +0.100 ± 0.000 |" in lines


def test_a_report_counts_the_trials_that_failed() -> None:
    runs = [
        Run(sampler, problem, "crashing", 8, seed, {100: 0.1}, 0.0, failed)
        for sampler, problem, seed, failed in (
            ("auto", "a", 0, 10),
            ("auto", "a", 1, 12),
            ("tpe", "a", 0, 30),
            ("tpe", "b", 0, 0),
        )
    ]
    assert failures(runs)[2:] == ["| a | 8 | 100 | 11.0 ± 1.0 | 30.0 |"]


def declaration(name: str) -> Declaration:
    problem = next(problem for problem in ALL if problem.name == name)
    objective = problem.draw(np.random.default_rng(0))
    metrics = problem.metrics if isinstance(problem, SeveralMetrics) else 1
    return Declaration.of(lambda trial: _evaluate(objective, trial), metrics, 40, 8)


def test_a_library_is_told_the_space_its_conditions_and_its_constraints() -> None:
    tree = declaration("backbones")
    assert tree.space["family"] == CategoricalDistribution(["tree", "mlp", "conv"])
    assert tree.conditions["leaf"] == {"family": ["tree"]}
    assert tree.conditions["width2"] == {"depth": [3, 4]}
    assert "subsample" not in tree.conditions
    assert declaration("two-limits").constraints == ["size", "time"]
    assert declaration("edge").space.keys() == {"x0", "x1", "x2", "x3"}, "what fails does not hide a parameter"


@pytest.mark.parametrize(
    ("distribution", "proposed", "value"),
    [
        (CategoricalDistribution(["a", "b"]), 1, "b"),
        (FloatDistribution(0.1, 1.0), 1.0000001, 1.0),
        (FloatDistribution(0.0, 1.0, step=0.05), 3, 0.15000000000000002),
        (IntDistribution(4, 16, step=4), 2, 12),
        (IntDistribution(8, 512, log=True), 512, 512),
        (IntDistribution(1, 5), 3, 3),
    ],
)
def test_what_a_library_proposes_is_in_the_range(
    distribution: BaseDistribution, proposed: object, value: object
) -> None:
    assert value_of(distribution, proposed) == value
    assert distribution._contains(distribution.to_internal_repr(value))
    assert is_counted(distribution) == (value not in (1.0, 512, 3))


class Recorder(LibrarySampler):
    """A library that proposes the middle of everything, and writes down what it hears."""

    heard: list[tuple[int, object, dict[str, float]]]

    def prepare(self, declaration: Declaration) -> None:
        self.declaration, self.heard, self._asked = declaration, [], 0

    def propose(self) -> tuple[int, dict[str, float]]:
        self._asked += 1
        return self._asked - 1, dict.fromkeys(self.declaration.space, 0.5)

    def observe(self, handle: int, values: object, constraints: object) -> None:
        self.heard.append((handle, values, dict(constraints)))  # type: ignore[call-overload]


def test_a_library_hears_what_came_of_each_point_when_its_trial_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Recorder] = []
    monkeypatch.setitem(SAMPLERS, "recorder", lambda seed: built.append(Recorder(seed)) or built[-1])
    by_name = {problem.name: problem for problem in TUNING}
    simulate("recorder", by_name["limited"], 4, 0, [10])
    assert sorted(handle for handle, *_ in built[0].heard) == list(range(10))
    assert [handle for handle, *_ in built[0].heard] != list(range(10)), "workers end in their own order"
    assert all(values and constraints.keys() == {"distance"} for _, values, constraints in built[0].heard)
    simulate("recorder", by_name["three-ways"], 4, 0, [5])
    assert all(len(values) == 3 for _, values, _ in built[1].heard)  # type: ignore[arg-type]


@pytest.mark.parametrize("library", ["smac", "hebo"])
@pytest.mark.parametrize("name", ["boosting", "lattice", "branches", "edge", "size-and-loss", "limited"])
def test_other_libraries_run_what_they_support(library: str, name: str) -> None:
    pytest.importorskip(library)
    problem = next(problem for problem in TUNING if problem.name == name)
    if problem.kind in UNSUPPORTED[library]:
        pytest.skip("has no constraints")
    run, again = (simulate(library, problem, 8, 0, [16]) for _ in range(2))
    assert run.regret == again.regret
    assert run.suggestion_ms


def test_a_benchmark_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    assert runs_in(file, [100]) == set()
    file.write_text(json.dumps(asdict(Run("auto", "a", "noisy", 8, 3, {100: 0.5}, 0.0))) + "\n")
    assert runs_in(file, [100]) == {("auto", "a", 8, 3)}
    assert runs_in(file, [100, 200]) == set()


def test_samplers_stand_side_by_side_with_their_seeds_and_costs() -> None:
    def run(sampler: str, kind: str, seed: int, regret: float, cost: float | None) -> Run:
        return Run(sampler, kind, kind, 8, seed, {100: regret}, 0.0, suggestion_ms=cost)

    runs = [
        *(run("auto", kind, seed, 0.1, 10.0) for kind in ("noisy", "constrained") for seed in range(3)),
        *(run("smac", "noisy", seed, 0.3 + 0.2 * seed, 200.0 + seed) for seed in range(2)),
        *(run("tpe", kind, 0, 0.2, None) for kind in ("noisy", "constrained")),
    ]
    assert side_by_side(runs, 100)[2:] == [
        "| constrained | 8 | – | -0.100 (1) |",
        "| noisy | 8 | -0.300 ± 0.100 (2) | -0.100 (1) |",
        "| all that it runs | 8 | -0.300 ± 0.100 (2) | -0.100 (1) |",
    ]
    assert suggestion_costs(runs)[2:] == ["| `auto` | 8 | 10.0 ms | 10 ms |", "| `smac` | 8 | 200.5 ms | 201 ms |"]


def test_the_docs_have_the_tables_of_the_runs() -> None:
    hard, ten = (read_runs(RESULTS / f"{name}.jsonl") for name in ("search_classes", "search_quality"))
    whole = read_runs(RESULTS / "search_ten_seeds.jsonl")
    of_whole = [
        *(overall(whole, [100, 200]), against_others(whole, [100, 200]), failures(whole)),
        by_group(whole, [100, 200], lambda run: run.kind),
    ]
    tables = [
        *(overall(hard, [100]), by_group(hard, [100], lambda run: run.kind), failures(hard)),
        *(side_by_side(hard, 100), suggestion_costs(hard)),
        *(overall(ten, [100, 200]), by_group(ten, [100], lambda run: run.kind)),
    ]
    with_all = [[row for row in table if "| 8 |" in row] for table in tables]  # the other libraries have 8 workers
    every = [*of_whole, *tables[:3], *with_all, *tables[5:]]
    rows = [row for table in every for row in table if "---" not in row]
    text = (ROOT / "docs" / "search.md").read_text()
    assert len(rows) > 100
    assert [row for row in rows if row not in text] == []
