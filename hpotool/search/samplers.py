"""Creates samplers by their names in study files: the same objects that Python code would create."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, nsgaii
from optuna.samplers._lazy_random_state import LazyRandomState

from hpotool.errors import InputError
from hpotool.search.auto import AutoSampler
from hpotool.search.branches.population import PopulationSampler
from hpotool.search.build import check_arguments, construct, load_class
from hpotool.search.every_point import WholeGrid, WholeTree
from hpotool.search.tpe import fast_sampler
from hpotool.study.file.grammar.algorithms import SAMPLERS
from hpotool.study.phase import is_reevaluation
from hpotool.study.rules.grid import LARGEST_GRID, count_values, grid_values
from hpotool.study.seeds import seed_for_trial
from hpotool.study.spec import ParameterSpec, SamplerSpec

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState

_CLASSES = {
    "tpe": "TPESampler",
    "random": "RandomSampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "nsga2": "NSGAIISampler",
    "nsga3": "NSGAIIISampler",
    "qmc": "QMCSampler",
}
_OWN: Mapping[str, type[BaseSampler]] = {
    "auto": AutoSampler,
    "pbt": PopulationSampler,
    "bruteforce": WholeTree,
}
_CROSSOVERS: Mapping[str, Callable[[], nsgaii.BaseCrossover]] = {
    "uniform": nsgaii.UniformCrossover,
    "blxalpha": nsgaii.BLXAlphaCrossover,
    "spx": nsgaii.SPXCrossover,
    "sbx": nsgaii.SBXCrossover,
    "vsbx": nsgaii.VSBXCrossover,
    "undx": nsgaii.UNDXCrossover,
}


def build_sampler(spec: SamplerSpec, space: Sequence[ParameterSpec] = ()) -> BaseSampler:
    """Create the sampler that ``spec`` names, from the study's seed; ``space`` is used for a grid.

    Raises:
        InputError: there is no such sampler, it does not accept these arguments, or a package is missing.
    """
    if ":" in spec.name:
        foreign: BaseSampler = load_class(spec.name, BaseSampler, "sampler", _with_seed(spec))
        return foreign
    check_arguments("sampler", spec.name, spec.arguments, SAMPLERS)
    if spec.name == "grid":
        return _build_grid(spec, space)
    arguments = dict(spec.arguments)
    if spec.name == "auto":
        arguments["space"] = space
    sampler_class = _OWN.get(spec.name) or getattr(optuna.samplers, _CLASSES[spec.name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # the study names it explicitly
        if "crossover" in arguments:
            arguments["crossover"] = _CROSSOVERS[arguments["crossover"]]()
        built: BaseSampler = construct(
            sampler_class, {"seed": spec.seed, **arguments}, "sampler", spec.name, SAMPLERS[spec.name].needs
        )
    return built


def _with_seed(spec: SamplerSpec) -> Mapping[str, Any]:
    return spec.arguments if spec.seed is None else {"seed": spec.seed, **spec.arguments}


def _build_grid(spec: SamplerSpec, space: Sequence[ParameterSpec]) -> BaseSampler:
    points = spec.arguments.get("points", {})
    size = 1
    for parameter in space:
        count = count_values(parameter.distribution, points.get(parameter.name))
        if count is None:
            raise InputError(
                f"grid needs a finite number of values for {parameter.name!r}",
                f"give it a step, or write sampler: {{name: grid, points: {{{parameter.name}: [...]}}}}",
            )
        size *= count
    if not space:
        raise InputError("grid needs to know the parameters", "add a search_space to the study file")
    if size > LARGEST_GRID:
        raise InputError(
            f"the grid has {size} points, but at most {LARGEST_GRID} are allowed", "use larger steps, or tpe"
        )
    listed = {each.name: grid_values(each.distribution, points.get(each.name)) or () for each in space}
    return WholeGrid(listed, seed=spec.seed)


class SeededSampler(BaseSampler):
    """A worker's sampler: ``inner``, reseeded before each trial from the study's seed and the trial's number.

    So one worker repeats a study exactly, even after an interruption, and no two workers draw the same numbers.
    Optuna's own ``reseed_rng``, which draws from the operating system, does nothing here.
    """

    def __init__(self, inner: BaseSampler, study_seed: int) -> None:
        self.inner = inner
        self.study_seed = study_seed
        self._states = tuple(_random_states(inner, set()))

    def __str__(self) -> str:
        return str(self.inner)

    def reseed_rng(self) -> None:
        """Do nothing, because the next trial has its own seed."""

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Seed every generator as if the sampler had been created with this trial's seed."""
        seed = seed_for_trial(self.study_seed, trial.number)
        for state in self._states:
            state.rng.seed(seed)
        if not is_reevaluation(trial.system_attrs):
            self.inner.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As ``inner`` does; a re-evaluation has all its parameters."""
        return {} if is_reevaluation(trial.system_attrs) else self.inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As ``inner`` does."""
        return (
            {} if is_reevaluation(trial.system_attrs) else self.inner.sample_relative(study, trial, search_space)
        )

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As ``inner`` does."""
        return self.inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """As ``inner`` does; of a re-evaluation it hears nothing."""
        if not is_reevaluation(trial.system_attrs):
            self.inner.after_trial(study, trial, state, values)


def sampler_for_worker(spec: SamplerSpec, space: Sequence[ParameterSpec] = ()) -> SeededSampler:
    """Create the sampler that a worker passes to ``optuna.load_study``: the same on every worker of a study.

    Raises:
        InputError: like ``build_sampler``; or the study has no seed, which is drawn when it is created.
    """
    if spec.seed is None:
        raise InputError(
            "the study has no seed", "create it with hpotool create-study, which draws one and stores it"
        )
    return SeededSampler(fast_sampler(build_sampler(spec, space)), spec.seed)


def _random_states(owner: object, seen: set[int]) -> Iterator[LazyRandomState]:
    """All random generators of a sampler: its own, and those of the samplers and strategies it contains."""
    if id(owner) in seen:
        return
    seen.add(id(owner))
    if isinstance(owner, LazyRandomState):
        yield owner
    elif isinstance(owner, BaseSampler) or type(owner).__module__.startswith("optuna.samplers"):
        for part in list(vars(owner).values()) if hasattr(owner, "__dict__") else ():
            yield from _random_states(part, seen)
