import re
from dataclasses import fields, replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hpotool.study.file.differences import differences, differences_in_measuring, resumed, way_out
from hpotool.study.file.reader import read_study_file
from hpotool.study.spec import StudySpec
from tests.examples import examples
from tests.unit.study.file.test_resolved import specs

STORED = """
study: s
objective: {python: m:f, timeout: 1h}
metrics: {loss: minimize}
search_space:
  lr: {float: [0.001, 0.1], log: true}
  depth: {int: [2, 8], step: 2}
  drop: {float: [0, 1], step: 0.5}
  kind: {choice: [net, tree]}
  leaves: {int: [1, 9], when: {kind: tree}}
sampler: {name: tpe, seed: 5}
pruner: {name: median, n_warmup_steps: 3}
budget: {trials: 10}
warm_start: [{lr: 0.01, depth: 2, drop: 0.5, kind: net}]
"""


def compare(*changes: str) -> list[tuple[bool, str]]:
    found = differences(read_study_file(STORED), read_study_file(STORED, None, changes))
    return [(difference.is_safe, difference.sentence) for difference in found]


def test_the_same_file_resumes() -> None:
    assert compare() == []


def test_a_file_without_a_seed_resumes_with_the_stored_one() -> None:
    stored = read_study_file(STORED)
    new = read_study_file(STORED, None, ["sampler.seed=6"])
    new = type(new)(**{**vars(new), "sampler": type(new.sampler)("tpe")})
    assert differences(stored, new) == ()
    assert resumed(stored, new) == stored


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("budget.trials=400", "budget.trials changes from 10 to 400"),
        ("budget.wall=90m", "budget.wall changes from none to 90m"),
        ("budget.target=0.5", "budget.target changes from none to loss: 0.5"),
        ("retry.oom=1", "retry.oom changes from 0 to 1"),
        ("objective.timeout=2h", "objective.timeout changes from 1h to 2h"),
        ("strict=true", "strict changes from false to true"),
        ("pool=gpus", "pool changes from none to gpus"),
        ("priority=5", "priority changes from 0 to 5"),
        ("weight=2.5", "weight changes from 1 to 2.5"),
        ("max_running=3", "max_running changes from none to 3"),
        ("owner=ann", "owner changes from none to ann"),
        ("preempt=true", "preempt changes from false to true"),
        ("holdout=[8, 9]", "holdout changes from none to 8, 9"),
        ("data=[train.csv, s3://b/x]", "data changes from none to train.csv, s3://b/x"),
        ("keep=all", "keep.best changes from 3 to none"),
        (
            "search_space.lr.float=[0.0001, 1]",
            "parameter 'lr' changes from a float from 0.001 to 0.1 on a log scale"
            " to a float from 0.0001 to 1 on a log scale",
        ),
        (
            "search_space.depth={int: [0, 10]}",
            "parameter 'depth' changes from an int from 2 to 8 in steps of 2 to an int from 0 to 10",
        ),
        (
            "search_space.drop.step=0.25",
            "parameter 'drop' changes from a float from 0 to 1 in steps of 0.5"
            " to a float from 0 to 1 in steps of 0.25",
        ),
        (
            "search_space.leaves={int: [1, 9]}",
            "parameter 'leaves' exists always instead of when kind is tree",
        ),
        (
            "search_space.leaves.when.kind=[net, tree]",
            "parameter 'leaves' exists when kind is net or tree instead of when kind is tree",
        ),
        (
            "search_space.momentum={float: [0, 1], default: 0.9}",
            "parameter 'momentum' is new; earlier trials used 0.9, "
            "and the sampler learns it from later trials only",
        ),
        (
            "warm_start=[]",
            "warm_start differs, but is only read when a study is created; queue points with hpotool enqueue",
        ),
    ],
)
def test_what_keeps_finished_trials_true_is_safe(change: str, sentence: str) -> None:
    changes = [change, "warm_start=[]"] if "momentum" in change or "leaves" in change else [change]
    assert (True, sentence) in compare(*changes)
    assert all(is_safe for is_safe, _ in compare(*changes))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("metrics={loss: maximize}", "the metrics are loss: minimize in the study and loss: maximize here"),
        ("objective.python=m:g", "the objective is m:f in the study and m:g here"),
        ('constraints={mb: "<= 5"}', "the constraints are none in the study and mb <= 5 here"),
        ("sampler=random", "the sampler is tpe(seed=5) in the study and random(seed=5) here"),
        ("sampler.seed=6", "the sampler is tpe(seed=5) in the study and tpe(seed=6) here"),
        ("pruner=none", "the pruner is median(n_warmup_steps=3) in the study and none here"),
        ("search_space.lr.float=[0.01, 0.1]", "may lie outside the narrower range"),
        ("search_space.lr.log=false", "Optuna does not let a parameter's scale change"),
        ("search_space.depth={float: [2, 8]}", "Optuna allows only one kind per parameter"),
        ("search_space.depth.step=3", "may lie between the new steps"),
        ("search_space.kind.choice=[net, tree, svm]", "Optuna does not let the choices of a parameter change"),
        ("search_space.new={float: [0, 1]}", "parameter 'new' is new and has no default"),
        ("search_space={}", "parameter 'lr' is removed"),
        ("search_space.drop.when={kind: net}", "some finished trials have it where it would not exist now"),
    ],
)
def test_what_would_make_trials_incomparable_is_refused(change: str, sentence: str) -> None:
    if change == "search_space.depth.step=3":
        change = "search_space.depth={int: [2, 8], step: 3}"
    found = compare(change, "warm_start=[]")
    assert [text for is_safe, text in found if not is_safe and sentence in text]


def test_optuna_takes_what_is_called_safe_and_refuses_what_is_refused_in_its_name() -> None:
    from optuna.distributions import check_distribution_compatibility

    stored = {p.name: p.distribution for p in read_study_file(STORED).search_space}
    for change in ["lr.float=[0.0001, 1]", "depth={int: [0, 10]}", "drop.step=0.25"]:
        new = read_study_file(STORED, None, [f"search_space.{change}"]).search_space
        for parameter in new:
            check_distribution_compatibility(stored[parameter.name], parameter.distribution)
    for name, change in [
        ("lr", "lr.log=false"),
        ("depth", "depth={float: [2, 8]}"),
        ("kind", "kind.choice=[net, tree, svm]"),
    ]:
        new = read_study_file(STORED, None, [f"search_space.{change}"]).search_space
        [parameter] = [parameter for parameter in new if parameter.name == name]
        with pytest.raises(ValueError, match=r"Cannot set different|does not support dynamic"):
            check_distribution_compatibility(stored[name], parameter.distribution)


def measuring(*changes: str, text: str = STORED) -> list[str]:
    source = read_study_file(text, None, ["study=a"])
    return differences_in_measuring(source, read_study_file(text, None, ["study=b", *changes]))


@pytest.mark.parametrize(
    "change",
    [
        "search_space.lr.float=[0.01, 10]",
        "sampler=random",
        "pruner=none",
        "budget.trials=9",
        "objective.timeout=2h",
    ],
)
def test_what_is_tried_and_for_how_long_does_not_change_what_is_measured(change: str) -> None:
    assert measuring(change) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("metrics={loss: maximize}", "the metrics are loss: minimize in 'a' and loss: maximize in 'b'"),
        ("metrics={cost: minimize}", "the metrics are loss: minimize in 'a' and cost: minimize in 'b'"),
        ('constraints={size: "<= 3"}', "the constraints are none in 'a' and size <= 3 in 'b'"),
        ("objective.python=m:g", "the objective is m:f in 'a' and m:g in 'b'"),
        ("objective.environment={DATA: small}", "objective.environment is none in 'a' and DATA: small in 'b'"),
        (
            "tiers=[{trials: 6, steps: 1}, {trials: 4, steps: 3}]",
            "the trials of 'b' continue each other, so their values depend on the number of steps",
        ),
    ],
)
def test_what_measures_something_else_is_said(change: str, sentence: str) -> None:
    text = STORED.replace("pruner: {name: median, n_warmup_steps: 3}\n", "").replace("budget: {trials: 10}\n", "")
    assert sentence in measuring(change, text=text)


def test_every_difference_in_measuring_is_said_at_once() -> None:
    assert len(measuring("metrics={cost: minimize}", "objective.python=m:g")) == 2


def test_the_same_words_split_into_other_arguments_are_another_objective() -> None:
    one, other = (
        read_study_file(STORED.replace("{python: m:f, timeout: 1h}", f"{{command: {command}}}"))
        for command in ("[python, train.py, 'a b', '{lr}']", "[python, train.py, a, b, '{lr}']")
    )
    [found] = differences(one, other)
    assert not found.is_safe
    assert "python train.py 'a b' {lr} in the study and python train.py a b {lr} here" in found.sentence
    assert len(differences_in_measuring(one, other)) == 1


@pytest.mark.parametrize(("one", "other"), [("1234567", "1234568"), ("50", "50.000001"), ("1e10", "10000000001")])
def test_bounds_that_look_alike_when_rounded_are_different_constraints(one: str, other: str) -> None:
    stored, new = (
        read_study_file(STORED, None, [f'constraints={{bytes: "<= {bound}"}}']) for bound in (one, other)
    )
    [found] = differences(stored, new)
    assert not found.is_safe
    assert len(set(re.findall(r"<= (\S+)", found.sentence))) == 2, "the two bounds can be told apart"
    assert len(differences_in_measuring(stored, new)) == 1


def test_variables_that_read_alike_in_one_line_are_different_environments() -> None:
    one, other = (
        read_study_file(STORED, None, [f"objective.environment={written}"])
        for written in ('{A: "x, B: y"}', "{A: x, B: y}")
    )
    assert len(differences_in_measuring(one, other)) == 1
    assert differences_in_measuring(one, one) == []


def test_another_default_is_said_and_stored() -> None:
    stored, new = (
        read_study_file(STORED, None, [f"search_space.depth={{int: [2, 8], step: 2, default: {default}}}"])
        for default in (2, 8)
    )
    [found] = differences(stored, new)
    assert found.sentence == "the default of 'depth' changes from 2 to 8"
    assert found.is_safe
    assert resumed(stored, new) == new
    [lost] = differences(stored, read_study_file(STORED))
    assert lost.sentence == "the default of 'depth' changes from 2 to none"


@settings(max_examples=examples(40))
@given(st.data())
def test_two_studies_have_no_differences_exactly_if_they_are_the_same(data: st.DataObject) -> None:
    """Seeds, names, the order of a study's parameters and of its first points are no differences."""
    stored = data.draw(specs())
    field = data.draw(st.sampled_from([field.name for field in fields(stored) if field.name != "name"]))
    new = replace(stored, **{field: getattr(data.draw(specs()), field)})
    assume(new.sampler.seed is not None and stored.sampler.seed is not None)
    found = differences(stored, new)
    by_name = [{parameter.name: parameter for parameter in spec.search_space} for spec in (stored, new)]
    is_same = replace(new, search_space=()) == replace(stored, search_space=()) and by_name[0] == by_name[1]
    assert (found == ()) == is_same
    assert differences(stored, stored) == ()
    assert all(difference.sentence for difference in found)


@settings(max_examples=examples(20))
@given(specs(), specs())
def test_two_studies_measure_the_same_in_both_directions_or_in_none(one: StudySpec, other: StudySpec) -> None:
    assert len(differences_in_measuring(one, other)) == len(differences_in_measuring(other, one))
    assert differences_in_measuring(one, replace(one, name="other", budget=other.budget, keep=other.keep)) == []


def test_the_way_out_can_be_pasted() -> None:
    assert "--set study=digits-2, and hpotool enqueue --study digits-2 --from-study digits" in way_out("digits")


@pytest.mark.parametrize(
    ("old", "new", "is_safe"),
    [
        ("[0, 1], step: 0.25", "[0, 1], step: 0.5", False), ("[0, 1], step: 0.5", "[0, 1], step: 0.25", True),
        ("[0, 1]", "[0, 1], step: 0.5", False), ("[0, 1], step: 0.5", "[0, 1]", True),
        ("[0, 1], step: 0.5", "[-0.25, 1.25], step: 0.5", False),
        ("[0, 1], step: 0.1", "[0, 1], step: 0.05", True),
        ("[0, 1], step: 0.5", "[-1, 2], step: 0.5", True),
    ],
)  # fmt: skip
def test_new_steps_are_safe_where_all_old_values_are_on_them(old: str, new: str, is_safe: bool) -> None:
    text = "study: s\nobjective: {{python: m:f}}\nmetrics: {{loss: minimize}}\nsearch_space:\n  x: {{float: {}}}\n"
    found = differences(read_study_file(text.format(old)), read_study_file(text.format(new)))
    assert [difference.is_safe for difference in found] == [is_safe]
