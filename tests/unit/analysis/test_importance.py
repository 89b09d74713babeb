from __future__ import annotations

import math
import random
from functools import cache

import optuna
import pytest
from optuna.trial import TrialState

from hpotool.analysis.importance import Importance, explain_failures, find_importance
from hpotool.errors import InputError, NotFoundError
from tests.unit.analysis.studies import add, make_study


@cache
def study_where_lr_decides(directions: tuple[str, ...] = ("minimize",), *metrics: str) -> optuna.Study:
    rng = random.Random(0)
    study = make_study(*metrics, directions=directions)
    for _ in range(60):
        lr, drop, noise = rng.random(), rng.random(), rng.random()
        values = [(lr - 0.3) ** 2, (drop - 0.8) ** 2][: len(directions)]
        add(study, values, {"lr": max(lr, 1e-5), "drop": drop, "noise": noise})
    return study


@cache
def explained() -> tuple[Importance, ...]:
    return find_importance(study_where_lr_decides())


def test_it_agrees_with_optuna_on_one_metric() -> None:
    study = study_where_lr_decides()
    (answer,) = find_importance(study, evaluator="ped-anova")
    expected = optuna.importance.get_param_importances(study)
    assert answer.metric == "value"
    assert dict(answer.importance) == pytest.approx(expected)
    assert next(iter(answer.importance)) == "lr"
    assert sum(answer.importance.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("evaluator", ["kernel-anova", "ped-anova", "fanova"])
def test_each_of_several_metrics_has_its_own_answer(evaluator: str) -> None:
    study = study_where_lr_decides(("minimize", "minimize"), "loss", "latency")
    answers = find_importance(study, evaluator=evaluator)  # type: ignore[arg-type]
    assert [(answer.metric, next(iter(answer.importance))) for answer in answers] == [
        ("loss", "lr"),
        ("latency", "drop"),
    ]
    assert find_importance(study, "latency", evaluator=evaluator) == answers[1:]  # type: ignore[arg-type]


def test_what_is_maximised_is_explained_by_its_high_values() -> None:
    study = make_study("low", "high", directions=["minimize", "maximize"])
    rng = random.Random(1)
    for _ in range(80):
        lr, drop = rng.random(), rng.random()
        # High values need lr > 0.9; low ones come from drop alone.
        high = 1.0 + drop / 100 if lr > 0.9 else -drop
        add(study, [lr, high], {"lr": lr, "drop": drop})
    (answer,) = find_importance(study, "high", "ped-anova")
    assert next(iter(answer.importance)) == "lr"


@pytest.mark.parametrize("scale", [1e307, 1.7e308])
def test_values_that_fanova_cannot_square_are_said_so(scale: float) -> None:
    """Optuna's trees find a variance that is not a number, and an assertion without a word says so."""
    study = make_study()
    for number in range(8):
        add(study, [number * scale], {"lr": (number + 1) / 8, "drop": (number * 5 % 8) / 8})
    with pytest.raises(InputError, match=r"fanova cannot rank the parameters .* its arithmetic breaks down"):
        find_importance(study, evaluator="fanova")


def test_fanova_answers_the_same_twice() -> None:
    study = study_where_lr_decides()
    assert find_importance(study, evaluator="fanova") == find_importance(study, evaluator="fanova")


def test_as_data_is_the_shape_that_programs_rely_on() -> None:
    data = explained()[0].as_data()
    assert {"metric", "importance", "evaluator", "trials", "warning"} <= set(data)
    assert (data["evaluator"], data["trials"]) == ("kernel-anova", 60)
    assert set(data["intervals"]) == set(data["importance"])
    low, high = data["intervals"]["lr"]
    assert 0 <= low <= data["importance"]["lr"] <= high <= 1
    assert 0 <= data["random"]["importance"] < low
    assert "noise" in data["untold"]
    assert "lr" not in data["untold"]
    assert set(data["importance"]) == {"lr", "drop", "noise"}


def test_a_parameter_that_stayed_the_same_weighs_nothing() -> None:
    study = make_study()
    for depth in range(1, 13):
        add(study, [float(depth)], {"depth": depth, "drop": 0.5})
    for evaluator in ("kernel-anova", "ped-anova", "fanova"):
        assert find_importance(study, evaluator=evaluator)[0].importance == {"depth": 1.0, "drop": 0.0}


def test_conditional_parameters_are_weighed_by_ped_anova() -> None:
    study = make_study()
    rng = random.Random(2)
    for i in range(60):
        booster = ["gbtree", "dart"][i % 2]
        drop = rng.random()
        params = {"booster": booster, "noise": rng.random()} | ({"drop": drop} if booster == "dart" else {})
        add(study, [drop**2 if booster == "dart" else 0.5], params)
    assert set(find_importance(study, evaluator="ped-anova")[0].importance) == {"booster", "noise", "drop"}
    (found,) = find_importance(study)
    assert set(found.importance) == {"booster", "noise", "drop"}
    assert "drop" not in found.as_data()["untold"]
    assert set(find_importance(study, evaluator="fanova")[0].importance) == {"booster", "noise"}


def test_fanova_says_when_every_parameter_is_conditional() -> None:
    study = make_study()
    for i in range(8):
        add(study, [float(i)], {"lr": (i + 1) / 10} if i % 2 else {"drop": i / 10})
    with pytest.raises(InputError, match="occurs in every trial") as caught:
        find_importance(study, evaluator="fanova")
    assert caught.value.hint is not None
    assert "ped-anova" in caught.value.hint


@pytest.mark.parametrize("complete", [0, 1])
def test_fewer_than_two_complete_trials_cannot_be_compared(complete: int) -> None:
    study = make_study()
    for _ in range(complete):
        add(study, [1.0], {"lr": 0.1})
    add(study, [1.0], {"lr": 0.2}, state=TrialState.PRUNED)
    add(study, None, {"lr": 0.3}, state=TrialState.FAIL)
    with pytest.raises(InputError, match=f"at least 2 complete trials .* has {complete}"):
        find_importance(study)


def test_infinite_values_are_left_out() -> None:
    study = make_study()
    study.add_trials(study_where_lr_decides().trials)
    add(study, [math.inf], {"lr": 0.5, "drop": 0.5, "noise": 0.5})
    assert find_importance(study) == explained()
    lonely = make_study()
    add(lonely, [math.inf], {"lr": 0.5})
    add(lonely, [0.0], {"lr": 0.6})
    with pytest.raises(InputError, match="with a finite value"):
        find_importance(lonely)


def test_equal_values_cannot_be_explained() -> None:
    study = make_study("accuracy")
    for depth in (1, 2, 3):
        add(study, [0.25], {"depth": depth})
    with pytest.raises(InputError, match=r"all 3 complete trials .* same accuracy \(0.25\)"):
        find_importance(study)


def test_parameters_that_never_changed_cannot_explain() -> None:
    study = make_study()
    for value in (1.0, 2.0):
        add(study, [value], {"depth": 4})
    with pytest.raises(InputError, match="no parameter of study 'known' has more than one value"):
        find_importance(study)


def test_an_unknown_metric_is_answered_with_the_known_ones() -> None:
    with pytest.raises(NotFoundError, match="no metric 'acuracy'") as caught:
        find_importance(study_where_lr_decides(("minimize",), "accuracy"), "acuracy")
    assert caught.value.hint == "its metrics are: accuracy"


def test_failures_are_explained_by_what_made_them_not_by_machines_that_went_away() -> None:
    study = make_study()
    rng = random.Random(4)
    outcomes: dict[int, str | None] = {}
    for number in range(60):
        lr, drop = rng.random() + 1e-5, rng.random()
        gone = number % 5 == 4  # a machine is taken away where drop is high
        fails = lr > 0.7 and not gone
        params = {"lr": min(lr, 1.0), "drop": 0.9 if gone else drop, "noise": rng.random()}
        state = TrialState.FAIL if fails or gone else TrialState.COMPLETE
        add(study, None if fails or gone else [1.0], params, state=state)
        outcomes[number] = "preempted" if gone else "error" if fails else "complete"
    found = explain_failures(study, outcomes)
    assert found.metric == "failures"
    assert found.trials == 48
    assert next(iter(found.importance)) == "lr"
    assert found.sureness is not None
    assert set(found.sureness.untold) == {"drop", "noise"}


def test_failures_need_some_trials_that_failed_and_some_that_did_not() -> None:
    study = make_study()
    add(study, [1.0], {"lr": 0.1})
    with pytest.raises(InputError, match="of 1 trial that ended, none failed by its own doing"):
        explain_failures(study, {})
    failing = make_study()
    add(failing, None, {"lr": 0.1}, state=TrialState.FAIL)
    with pytest.raises(InputError, match="every one failed"):
        explain_failures(failing, {0: "error"})


def test_the_best_at_the_edge_of_a_range_is_pointed_out_and_the_path_to_it_is_told() -> None:
    study = make_study("loss")
    rng = random.Random(3)
    for number in range(40):
        depth = 1 if number == 0 else 20 if number == 7 else rng.randint(1, 20)
        drop = rng.random()
        add(study, [(20 - depth) / 20 + 0.1 * drop], {"depth": depth, "drop": drop})
    data = find_importance(study)[0].as_data()
    [edge] = [one for one in data["edges"] if one["parameter"] == "depth"]
    assert (edge["side"], edge["range"]) == ("upper", [1, 20])
    path = data["ablation"]["path"]
    assert data["ablation"]["trials"][0] == 0
    assert [step["parameters"] for step in path[:2]] == [[], ["depth"]]
    assert path[0]["expected"] == pytest.approx(1.0, abs=0.15)
    assert path[1]["expected"] < 0.3


BASELINE = {"depth": 3, "booster": "gbtree", "drop": 0.5}


@cache
def study_with_boosters() -> optuna.Study:
    study = make_study("loss")
    rng = random.Random(3)
    for _ in range(30):
        depth, booster, drop = rng.randint(5, 20), rng.choice(["gbtree", "dart"]), rng.random()
        loss = (20 - depth) / 20 + 0.5 * (booster == "gbtree")
        add(study, [loss], {"depth": depth, "booster": booster, "drop": drop})
    return study


def test_the_path_to_the_best_begins_at_the_baseline() -> None:
    (found,) = find_importance(study_with_boosters(), baseline=BASELINE)
    assert found.ablation_title is not None
    assert found.ablation_title.startswith("from the baseline to trial ")
    data = found.as_data()["ablation"]
    assert (data["from_baseline"], len(data["trials"])) == (True, 1)
    assert {name for step in data["path"] for name in step["parameters"]} == {"depth", "booster", "drop"}
    assert data["path"][0]["expected"] > 0.9, "what the model expects of a point that no trial has tried"
    assert data["path"][-1]["expected"] < 0.35


@pytest.mark.parametrize(
    "baseline",
    [None, {}, {"depth": 3, "booster": "gbtree"}, BASELINE | {"booster": "gone"}, BASELINE | {"depth": "deep"}],
    ids=["none", "empty", "a part", "a choice that is none", "no number"],
)
def test_what_is_no_whole_point_of_the_space_is_no_start(baseline: dict[str, object] | None) -> None:
    (found,) = find_importance(study_with_boosters(), baseline=baseline)
    assert found.ablation_title is not None
    assert found.ablation_title.startswith("from trial 0, the first, to trial ")
    assert found.as_data()["ablation"]["from_baseline"] is False


def test_a_baseline_outside_of_a_range_is_a_start_too() -> None:
    (found,) = find_importance(study_with_boosters(), baseline=BASELINE | {"depth": 40, "unknown": 1})
    assert found.ablation_trials is not None
    assert found.ablation_trials[0] is None


def test_a_study_of_many_trials_is_weighed_by_some_of_them_at_once() -> None:
    study = make_study()
    rng = random.Random(5)
    for _ in range(1500):
        drop = rng.random()
        add(study, [drop], {"drop": drop, "noise": rng.random()})
    (found,) = find_importance(study)
    assert found.trials == 1500
    assert found.importance["drop"] > 0.9
    assert found.as_data()["untold"] == ["noise"]


def test_of_too_few_failures_nothing_can_be_told() -> None:
    study = make_study()
    rng = random.Random(6)
    for number in range(40):
        fails = number in (3, 20)
        state = TrialState.FAIL if fails else TrialState.COMPLETE
        add(
            study,
            None if fails else [1.0],
            {"drop": 0.99 if fails else rng.random(), "noise": rng.random()},
            state,
        )
    found = explain_failures(study, {})
    assert found.sureness is not None
    assert set(found.sureness.untold) == {"drop", "noise"}
    assert found.warning == "only 2 of 40 trials differ from the others: that may be chance"
