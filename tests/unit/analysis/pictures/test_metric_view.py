"""One metric of a study, drawn alone, is that metric of the same trials."""

from __future__ import annotations

import math

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from hpotool.analysis.pictures.metric_view import last_reports, metric_view
from hpotool.analysis.pictures.picture import compose
from hpotool.errors import InputError
from tests.examples import examples
from tests.unit.analysis.studies import add, make_study

PAIRS = st.lists(
    st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)) | st.none(), min_size=1, max_size=5
)


def study_of(pairs: list[tuple[float, float] | None]) -> optuna.Study:
    study = make_study("a", "b", directions=["minimize", "maximize"])
    for pair in pairs:
        add(study, pair, {"depth": 3}, state=TrialState.FAIL if pair is None else TrialState.COMPLETE)
    return study


@settings(max_examples=examples(40))
@given(PAIRS, st.sampled_from([0, 1]))
def test_a_view_has_every_trial_under_its_number_with_the_one_value_that_can_be_drawn(
    pairs: list[tuple[float, float] | None], index: int
) -> None:
    study = study_of(pairs)
    before = [repr(trial) for trial in study.get_trials()]
    view = metric_view(study, index)
    assert view.direction == study.directions[index]
    assert view.study_name == study.study_name
    for pair, trial in zip(pairs, view.get_trials(deepcopy=False), strict=True):
        is_drawn = pair is not None and abs(pair[index]) < 1e150
        assert trial.values == ([pair[index]] if pair is not None and is_drawn else None)
        assert trial.state == (TrialState.COMPLETE if is_drawn else TrialState.FAIL)
        assert trial.params == {"depth": 3}
    assert [repr(trial) for trial in study.get_trials()] == before, "the study itself is not changed"


def test_a_study_that_can_be_drawn_as_it_is_is_not_copied() -> None:
    study = make_study("loss")
    add(study, [1.0], {"depth": 3})
    assert metric_view(study, 0) is study
    add(study, [math.inf], {"depth": 3})
    assert metric_view(study, 0) is not study


@settings(max_examples=examples(40))
@given(PAIRS)
def test_the_reference_point_is_no_better_than_any_finite_value(pairs: list[tuple[float, float] | None]) -> None:
    study = study_of(pairs)
    drawn = [[pair[i] for pair in pairs if pair is not None and abs(pair[i]) < 1e150] for i in (0, 1)]
    if not all(drawn):
        with pytest.raises(InputError, match="no complete trial to draw"):
            compose([study], "hypervolume")
        return
    first, second = compose([study], "hypervolume").reference_point()
    finite = [pair for pair in pairs if pair is not None]
    assert all(first >= a for a, _ in finite if math.isfinite(a))
    assert all(second <= b for _, b in finite if math.isfinite(b))


@pytest.mark.parametrize(
    ("reports", "last"),
    [({}, None), ({3: 1.0, 1: 2.0}, 1.0), ({0: 5.0}, 5.0), ({1: 0.5, 2: math.inf}, None), ({1: math.nan}, None)],
)
def test_the_last_report_of_a_pruned_trial_is_that_of_its_highest_step(
    reports: dict[int, float], last: float | None
) -> None:
    study = make_study("loss")
    add(study, None, state=TrialState.PRUNED, intermediate_values=reports)
    add(study, [1.0], intermediate_values={9: 9.0})
    assert last_reports(study) == ({} if last is None else {0: last})


@settings(max_examples=examples(30))
@given(PAIRS, st.sampled_from(["a", "b"]))
def test_the_best_number_of_a_picture_is_the_best_that_is_drawn(
    pairs: list[tuple[float, float] | None], metric: str
) -> None:
    index = "ab".index(metric)
    drawn = {
        number: pair[index] for number, pair in enumerate(pairs) if pair is not None and abs(pair[index]) < 1e150
    }
    if not drawn:
        return
    number = compose([study_of(pairs)], "history", metric).best_number()
    assert number is not None
    assert drawn[number] == (min if metric == "a" else max)(drawn.values())
