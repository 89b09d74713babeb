import pytest

from hpotool.study.outcome import Outcome
from hpotool.study.spec import (
    BudgetSpec,
    ConstraintSpec,
    MetricSpec,
    ObjectiveSpec,
    PopulationSpec,
    RetrySpec,
    SamplerSpec,
    StudySpec,
    TierSpec,
)

OBJECTIVE, METRICS = ObjectiveSpec(python="m:f"), (MetricSpec("loss", "minimize"),)
POPULATION = SamplerSpec("pbt", 1, {"interval": 5, "population_size": 4, "explore": ["lr"]})


def test_a_violation_is_how_far_a_value_is_outside() -> None:
    assert ConstraintSpec("ms", "<=", 50).violation(53) == 3
    assert ConstraintSpec("accuracy", ">=", 0.5).violation(1.0) == -0.5


def test_a_population_is_what_the_sampler_s_arguments_say() -> None:
    spec = StudySpec("s", OBJECTIVE, METRICS, sampler=POPULATION)
    assert spec.population == PopulationSpec(5, 4, explore=("lr",))
    assert StudySpec("s", OBJECTIVE, METRICS).population is None


def test_what_may_be_explored_is_named_or_all() -> None:
    params = {"lr": 0.1, "drop": 0.5}
    assert PopulationSpec(5, explore=("lr", "gone")).explore_among(params) == ["lr"]
    assert PopulationSpec(5).explore_among(params) == ["drop", "lr"]


@pytest.mark.parametrize(
    ("spec", "places"),
    [
        (StudySpec("s", OBJECTIVE, METRICS, budget=BudgetSpec(trials=9)), 0),
        (StudySpec("s", OBJECTIVE, METRICS, tiers=(TierSpec(60, 3), TierSpec(10, 9), TierSpec(3, 27))), 13),
        (StudySpec("s", OBJECTIVE, METRICS, sampler=POPULATION, budget=BudgetSpec(trials=20)), 16),
        (StudySpec("s", OBJECTIVE, METRICS, sampler=POPULATION, budget=BudgetSpec(trials=3)), 0),
        (StudySpec("s", OBJECTIVE, METRICS, sampler=POPULATION), 0),
    ],
)
def test_branches_have_the_places_that_first_trials_leave(spec: StudySpec, places: int) -> None:
    assert spec.branch_places == places


def test_only_counted_outcomes_have_a_limit() -> None:
    retry = RetrySpec(oom=2)
    assert [retry.limit_after(each) for each in (Outcome.OOM, Outcome.LOST, Outcome.NAN)] == [2, 3, 0]
    assert retry.limit_after(Outcome.PREEMPTED) is None
