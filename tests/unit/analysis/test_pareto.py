from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from hpotool.analysis.pareto import find_pareto_front
from tests.unit.analysis.studies import add, make_study

POINTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), max_size=8)


@given(POINTS, st.sampled_from(list(product(("minimize", "maximize"), repeat=2))))
def test_the_front_is_what_no_feasible_trial_beats(
    points: list[tuple[int, int, bool]], directions: tuple[str, str]
) -> None:
    study = make_study("a", "b", directions=directions)
    for a, b, is_feasible in points:
        add(study, [a, b], constraints={"c": -1.0 if is_feasible else 1.0})
    signs = [1 if direction == "minimize" else -1 for direction in directions]
    losses = [(a * signs[0], b * signs[1]) for a, b, _ in points]

    def beats(one: int, other: int) -> bool:
        is_as_good = all(x <= y for x, y in zip(losses[one], losses[other], strict=True))
        return points[one][2] and is_as_good and losses[one] != losses[other]

    expected = [
        number
        for number, point in enumerate(points)
        if point[2] and not any(beats(other, number) for other in range(len(points)))
    ]
    found = find_pareto_front(study)
    assert [trial.number for trial in found.trials] == expected
    assert (found.complete, found.feasible) == (len(points), sum(point[2] for point in points))


def test_with_one_metric_the_front_is_all_equally_good_trials() -> None:
    study = make_study("a")
    for value in (2.0, 1.0, 3.0, 1.0):
        add(study, [value])
    assert [trial.number for trial in find_pareto_front(study).trials] == [1, 3]


def test_trials_of_a_point_are_compared_by_their_mean() -> None:
    study = make_study("a", "b", directions=["minimize", "minimize"])
    for values, lr in (([0.0, 0.0], 0.1), ([4.0, 4.0], 0.1), ([1.0, 3.0], 0.2)):
        add(study, values, {"lr": lr})
    assert [trial.number for trial in find_pareto_front(study).trials] == [0]
    front = find_pareto_front(study, replicates=True).trials
    assert [(trial.number, dict(trial.values)) for trial in front] == [
        (0, {"a": 2.0, "b": 2.0}),
        (2, {"a": 1.0, "b": 3.0}),
    ]
