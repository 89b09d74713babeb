import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler
from optuna.samplers._lazy_random_state import LazyRandomState

from hpotool.errors import InputError
from hpotool.search.auto import AutoSampler
from hpotool.search.branches.population import PopulationSampler
from hpotool.search.every_point import WholeGrid, WholeTree
from hpotool.search.samplers import SeededSampler, build_sampler, sampler_for_worker
from hpotool.study.file.grammar.algorithms import SAMPLERS
from hpotool.study.file.reader import read_study_file
from hpotool.study.seeds import seed_for_trial
from hpotool.study.space import suggest_search_space
from hpotool.study.spec import ParameterSpec, SamplerSpec

optuna.logging.set_verbosity(optuna.logging.ERROR)
HEAD = "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n"
SPACE = (
    "search_space: {x: {float: [0, 1], step: 0.25}, n: {int: [1, 5], step: 2}, k: {choice: [a, b]}, c: {const: 1}}"
)
Samplers = optuna.samplers


def attributes(value: Any) -> Any:
    """What an object consists of, all the way down, generators by their state."""
    if isinstance(value, LazyRandomState):
        return (
            "generator",
            None if value._rng is None else [np.asarray(part).tolist() for part in value.rng.get_state()],
        )
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [attributes(item) for item in value]
    if isinstance(value, dict):
        return {key: attributes(item) for key, item in value.items()}
    if type(value).__module__.startswith(("optuna", "hpotool")) and hasattr(value, "__dict__"):
        return (type(value), {key: attributes(item) for key, item in vars(value).items()})
    return value


def in_python(name: str) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        built: BaseSampler = PYTHON[name]()
    return built


PYTHON: dict[str, Any] = {
    "sampler: {name: auto, seed: 3, n_startup_trials: 5}": lambda: AutoSampler(
        seed=3, n_startup_trials=5, space=read_study_file(HEAD + SPACE).search_space
    ),
    "sampler: {name: tpe, seed: 3}": lambda: Samplers.TPESampler(seed=3),
    "sampler: {name: tpe, seed: 3, n_startup_trials: 5, n_ei_candidates: 9, multivariate: true, group: true,"
    " constant_liar: false}": lambda: Samplers.TPESampler(
        seed=3, n_startup_trials=5, n_ei_candidates=9, multivariate=True, group=True, constant_liar=False
    ),
    "sampler: {name: random, seed: 3}": lambda: Samplers.RandomSampler(seed=3),
    "sampler: {name: grid, seed: 3, points: {x: [0, 0.5]}}": lambda: WholeGrid(
        {"x": [0, 0.5], "n": [1, 3, 5], "k": ["a", "b"], "c": [1]}, seed=3
    ),
    "sampler: {name: grid, seed: 3}": lambda: WholeGrid(
        {"x": [0.0, 0.25, 0.5, 0.75, 1.0], "n": [1, 3, 5], "k": ["a", "b"], "c": [1]}, seed=3
    ),
    "sampler: {name: gp, seed: 3, n_startup_trials: 4, deterministic_objective: true}": lambda: Samplers.GPSampler(
        seed=3, n_startup_trials=4, deterministic_objective=True
    ),
    "sampler: {name: cmaes, seed: 3, n_startup_trials: 4, popsize: 8, consider_pruned_trials: true,"
    " with_margin: true}": (
        lambda: Samplers.CmaEsSampler(
            seed=3, n_startup_trials=4, popsize=8, consider_pruned_trials=True, with_margin=True
        )
    ),
    "sampler: {name: cmaes, seed: 3, lr_adapt: true}": lambda: Samplers.CmaEsSampler(seed=3, lr_adapt=True),
    "sampler: {name: cmaes, seed: 3, use_separable_cma: true}": (
        lambda: Samplers.CmaEsSampler(seed=3, use_separable_cma=True)
    ),
    "sampler: {name: nsga2, seed: 3, population_size: 10, mutation_prob: 0.1, crossover: sbx, crossover_prob: 0.8,"
    " swapping_prob: 0.4}": lambda: Samplers.NSGAIISampler(
        seed=3,
        population_size=10,
        mutation_prob=0.1,
        crossover=Samplers.nsgaii.SBXCrossover(),
        crossover_prob=0.8,
        swapping_prob=0.4,
    ),
    "sampler: {name: nsga3, seed: 3, population_size: 10, crossover: undx, dividing_parameter: 4}": (
        lambda: Samplers.NSGAIIISampler(
            seed=3, population_size=10, crossover=Samplers.nsgaii.UNDXCrossover(), dividing_parameter=4
        )
    ),
    "sampler: {name: qmc, seed: 3, qmc_type: halton, scramble: true}": (
        lambda: Samplers.QMCSampler(seed=3, qmc_type="halton", scramble=True)
    ),
    "sampler: {name: pbt, seed: 3, interval: 5, population_size: 4, quantile_fraction: 0.5,"
    " resample_probability: 0.1, explore: [x]}\nbudget: {trials: 12}": (
        lambda: PopulationSampler(
            5, seed=3, population_size=4, quantile_fraction=0.5, resample_probability=0.1, explore=("x",)
        )
    ),
    "sampler: {name: bruteforce, seed: 3, avoid_premature_stop: true}": (
        lambda: WholeTree(seed=3, avoid_premature_stop=True)
    ),
    "sampler: {name: 'optuna.samplers:TPESampler', seed: 3, n_startup_trials: 2}": (
        lambda: Samplers.TPESampler(seed=3, n_startup_trials=2)
    ),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("text", PYTHON)
def test_a_sampler_by_name_is_the_object_that_python_code_builds(text: str) -> None:
    spec = read_study_file(HEAD + SPACE + "\n" + text)
    assert attributes(build_sampler(spec.sampler, spec.search_space)) == attributes(in_python(text))


def test_every_name_and_argument_of_the_grammar_is_in_that_comparison() -> None:
    texts = " ".join(PYTHON)
    for name, row in SAMPLERS.items():
        assert f"name: {name}," in texts
        assert [key for key in row.keys if f"{key}:" not in texts] == []


@pytest.mark.parametrize("crossover", ["uniform", "blxalpha", "spx", "sbx", "vsbx", "undx"])
def test_every_crossover_can_be_built(crossover: str) -> None:
    assert build_sampler(SamplerSpec("nsga2", 1, {"crossover": crossover}))


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        (SamplerSpec("tpee", 1), "there is no sampler 'tpee'", "did you mean 'tpe'?"),
        (
            SamplerSpec("tpe", 1, {"n_startup": 3}),
            "has no argument 'n_startup'",
            "did you mean 'n_startup_trials'?",
        ),
        (SamplerSpec("random", 1, {"x": 3}), "has no argument 'x'", "known: none"),
        (SamplerSpec("nowhere.at_all:Sampler", 1), "cannot be imported: No module named 'nowhere'", None),
        (SamplerSpec("optuna.samplers:Nothing", 1), "the module 'optuna.samplers' has no 'Nothing'", None),
        (SamplerSpec("optuna.pruners:NopPruner", 1), "is not a sampler", "derived from BaseSampler"),
        (SamplerSpec("optuna.samplers:TPESampler", 1, {"foo": 1}), "unexpected keyword argument 'foo'", None),
        (SamplerSpec("cmaes", 1, {"lr_adapt": True, "with_margin": True}), "does not accept its arguments", None),
        (SamplerSpec("grid", 1), "grid needs to know the parameters", "add a search_space"),
    ],
)
def test_what_cannot_be_built_is_an_input_error(spec: SamplerSpec, message: str, hint: str | None) -> None:
    with pytest.raises(InputError) as raised:
        build_sampler(spec)
    assert message in raised.value.message
    assert hint is None or hint in str(raised.value.hint)


MIXED = (
    ParameterSpec("x", FloatDistribution(-5, 5)),
    ParameterSpec("y", FloatDistribution(1e-3, 10, log=True)),
    ParameterSpec("n", IntDistribution(1, 100)),
    ParameterSpec("kind", CategoricalDistribution(["a", "b", "c"])),
    ParameterSpec("extra", FloatDistribution(0, 1), when={"kind": ("b", "c")}),
)
NUMERIC = MIXED[:3]
COUNTABLE = (ParameterSpec("n", IntDistribution(1, 40)), ParameterSpec("k", CategoricalDistribution(["a", "b"])))


def loss(values: dict[str, Any]) -> float:
    return float(sum(value**2 for value in values.values() if isinstance(value, (int, float))) + len(values))


def run(
    spec: SamplerSpec, space: Sequence[ParameterSpec], n_trials: int, restart_at: int | None = None
) -> list[Any]:
    """The parameters and values of a study, its worker started again at trial ``restart_at``."""
    study = optuna.create_study(sampler=sampler_for_worker(spec, space))
    for number in range(n_trials):
        if number == restart_at:
            study = optuna.load_study(
                study_name=study.study_name, storage=study._storage, sampler=sampler_for_worker(spec, space)
            )
        study.optimize(lambda trial: loss(suggest_search_space(space, trial)), n_trials=1)
    return [(trial.params, trial.values) for trial in study.trials]


@pytest.mark.parametrize(
    ("name", "space"),
    [
        ("auto", MIXED),
        ("tpe", MIXED),
        ("random", MIXED),
        ("grid", COUNTABLE),
        ("cmaes", NUMERIC),
        ("nsga2", MIXED),
        ("nsga3", MIXED),
        ("qmc", NUMERIC),
        ("bruteforce", COUNTABLE),
    ],
)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_one_worker_repeats_a_study_exactly_even_when_it_is_restarted(
    name: str, space: tuple[ParameterSpec, ...]
) -> None:
    arguments = {"population_size": 6} if name.startswith("nsga") else {}
    spec = SamplerSpec(name, 11, arguments)
    first = run(spec, space, 30)
    assert run(spec, space, 30) == first
    assert run(spec, space, 30, restart_at=13) == first
    if name not in ("grid", "qmc"):  # a grid and an unscrambled sequence are what they are, whatever the seed
        assert run(SamplerSpec(name, 12, arguments), space, 30) != first


def test_a_study_of_sixty_trials_with_one_worker_repeats_itself() -> None:
    for name in ("auto", "tpe"):
        assert run(SamplerSpec(name, 5), MIXED, 60) == run(SamplerSpec(name, 5), MIXED, 60)


@pytest.mark.parametrize("name", ["auto", "tpe", "random", "nsga2", "cmaes"])
def test_no_two_of_eight_workers_propose_the_same_point(name: str) -> None:
    """Eight workers with objects of their own, each asking while the seven others run."""
    spec = SamplerSpec(name, 42)
    study = optuna.create_study()
    workers = [
        optuna.load_study(
            study_name=study.study_name, storage=study._storage, sampler=sampler_for_worker(spec, NUMERIC)
        )
        for _ in range(8)
    ]
    seen = []
    for _ in range(5):
        asked = [(worker, worker.ask()) for worker in workers]
        for _, trial in asked:
            values = suggest_search_space(NUMERIC, trial)
            seen.append((values["x"], values["y"]))
        for worker, trial in asked:
            worker.tell(trial, loss(trial.params))
    assert len({x for x, _ in seen}) == len({y for _, y in seen}) == 40


@pytest.mark.parametrize("name", ["auto", "tpe", "random", "nsga2", "nsga3", "cmaes", "gp"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_before_a_trial_every_generator_is_as_if_the_sampler_were_built_with_its_seed(name: str) -> None:
    seeded = sampler_for_worker(SamplerSpec(name, 42), COUNTABLE)
    study = optuna.create_study(sampler=seeded)
    study.tell(study.ask(), 1.0)
    study.ask()
    fresh = optuna.samplers.RandomSampler(seed_for_trial(42, 1))
    assert seeded._states
    for state in seeded._states:
        assert attributes(state) == attributes(fresh._rng)


def test_a_study_without_a_seed_has_no_sampler_for_its_workers() -> None:
    with pytest.raises(InputError, match="the study has no seed"):
        sampler_for_worker(SamplerSpec("tpe"))


def test_optunas_own_reseeding_changes_nothing() -> None:
    seeded = sampler_for_worker(SamplerSpec("random", 1))
    before = attributes(seeded.inner)
    seeded.reseed_rng()
    assert attributes(seeded.inner) == before
    assert isinstance(seeded, SeededSampler)
