import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hpotool.errors import EXIT_WRONG_INPUT, StudyFileError
from hpotool.study.file.reader import change_budget, change_share, change_tags, read_study_data, read_study_file
from hpotool.study.file.resolved import to_document
from hpotool.study.spec import (
    BudgetSpec,
    ConstraintSpec,
    KeepSpec,
    MetricSpec,
    NotifySpec,
    ObjectiveSpec,
    ParameterSpec,
    PrunerSpec,
    RetrySpec,
    SamplerSpec,
    StudySpec,
    TrackingSpec,
)
from tests.examples import examples

EVERY_KEY = (Path(__file__).parent / "every_key.yaml").read_text()
SMALL = "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n"


def test_a_small_file_gets_the_defaults() -> None:
    assert read_study_file(SMALL) == StudySpec("s", ObjectiveSpec("m:f"), (MetricSpec("loss", "minimize"),))


SPACE_OF = SMALL + "search_space: {x: {choice: ["


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (SPACE_OF + "1, " * 3_000_000 + "2]}}", "more than 50000 values, counting aliases; make it smaller"),
        (SPACE_OF + ", ".join(map(str, range(90_000))) + "]}}", "more than 50000 values"),
        (SMALL + "warm_start:\n" + "- {x: 1}\n" * 60_000, "more than 50000 values"),
        (
            SPACE_OF + ", ".join(map(str, range(12_000))) + "]}}",
            "12000 choices are more than 10000; write a range",
        ),
        (SPACE_OF + ", ".join(map(str, range(9_000))) + ", 7]}}", "duplicate choice 7"),
    ],
    ids=["3 million", "90,000 choices", "60,000 points", "12,000 choices", "9,001 choices"],
)
def test_a_file_that_is_too_large_is_refused_at_once_with_the_limit(text: str, sentence: str) -> None:
    began = time.process_time()
    with pytest.raises(StudyFileError, match=sentence):
        read_study_file(text, "study.yaml")
    assert time.process_time() - began < 5  # about 0.1 s; without a limit, minutes


def test_a_long_file_is_read_as_a_short_one() -> None:
    filler = "# nothing\n" * 5_000
    assert to_document(read_study_file(EVERY_KEY + filler)) == to_document(read_study_file(EVERY_KEY))
    for broken in ("a: [", "a: b: c", "a: 1\na: 2", "\tb: 1"):
        with pytest.raises(StudyFileError) as short:
            read_study_file(SMALL + broken)
        with pytest.raises(StudyFileError) as long:
            read_study_file(SMALL + broken + "\n" + filler)
        assert str(long.value).split(": ", 1)[1] == str(short.value).split(": ", 1)[1]


def test_every_key_of_a_command_study_arrives() -> None:
    assert read_study_file(EVERY_KEY) == StudySpec(
        name="digits",
        objective=ObjectiveSpec(
            command=("python", "train.py", "--lr", "{lr}", "--data=${DATA}/digits"),
            timeout=timedelta(minutes=90),
            stall=timedelta(minutes=5),
            max_memory=16 * 10**9,
            environment={"OMP_NUM_THREADS": "2", "DATA_DIR": "${DATA}"},
            patterns={"accuracy": "acc=([0-9.]+)"},
            take={"accuracy": "max"},
            result_file="result.json",
        ),
        metrics=(MetricSpec("accuracy", "maximize"), MetricSpec("latency", "minimize")),
        constraints=(ConstraintSpec("memory_mb", "<=", 800), ConstraintSpec("accuracy", ">=", 0.5)),
        search_space=(
            ParameterSpec("lr", FloatDistribution(1e-5, 1e-1, log=True)),
            ParameterSpec("dropout", FloatDistribution(0.0, 0.5, step=0.1), default=0.2),
            ParameterSpec("depth", IntDistribution(2, 12, step=2)),
            ParameterSpec("width", IntDistribution(8, 1024, log=True)),
            ParameterSpec("booster", CategoricalDistribution(["gbtree", "dart", None, True, 1.5, 3])),
            ParameterSpec("version", CategoricalDistribution([7])),
            ParameterSpec("drop_rate", FloatDistribution(0.0, 0.5), when={"booster": ("dart", "gbtree")}),
            ParameterSpec("skip", IntDistribution(1, 3), when={"booster": ("dart", "gbtree"), "depth": (2, 4)}),
        ),
        sampler=SamplerSpec("nsga2", 7, {"population_size": 20}),
        pruner=PrunerSpec("hyperband", {"min_resource": 1, "max_resource": 81}, "accuracy"),
        budget=BudgetSpec(
            trials=200,
            wall=timedelta(hours=12),
            gpu_hours=100,
            cost=50,
            prices={"H100": 2.5},
            target={"accuracy": 0.99},
            patience=60,
            failed=10,
        ),
        retry=RetrySpec(lost=5, crash=2, error=1, oom=1, nan=1, timeout=1, stalled=0),
        warm_start=({"lr": 1e-3, "dropout": 0.0, "depth": 6, "width": 64, "booster": None, "version": 7},),
        baseline={"lr": 1e-3, "dropout": 0.0, "depth": 6, "width": 64, "booster": None, "version": 7},
        holdout=("test", 9),
        strict=True,
        data=("data/train.csv", "s3://bucket/train", "data/valid.dvc"),
        duplicates="skip",
        breaker="off",
        on_oom="infeasible",
        gpu_memory=10 * 10**9,
        description="what the study is about",
        tags={"owner": "ann", "paper": "3"},
        tracking=TrackingSpec(
            "https://mlflow.example.org:5000/sub", "digits/2026", "/data/runs", "ann/digits", "digits", 2 * 10**9
        ),
        notify=NotifySpec(("done", "best"), timedelta(hours=6)),
        keep=KeepSpec(best=5),
    )


def test_short_forms_mean_the_long_ones() -> None:
    short = read_study_file(SMALL + "sampler: random\npruner: median\nkeep: all\nbudget: {trials: 3, target: 1}\n")
    assert short.sampler == SamplerSpec("random")
    assert short.pruner == PrunerSpec("median")
    assert short.keep == KeepSpec(best=None)
    assert short.budget == BudgetSpec(trials=3, target={"loss": 1.0})


def test_a_grid_is_no_number_of_trials() -> None:
    space = "search_space: {n: {int: [1, 9], step: 2}, k: {choice: [a, b]}, x: {float: [0, 1]}}\n"
    grid = "sampler: {name: grid, points: {x: [0.1, 0.2, 0.5]}}\n"
    assert read_study_file(SMALL + space + grid).budget.trials is None
    assert read_study_file(SMALL + space + grid + "budget: {trials: 7}").budget.trials == 7


def test_a_baseline_is_a_whole_point_of_the_search_space() -> None:
    space = "search_space: {n: {int: [1, 9]}, x: {float: [0, 1]}}\n"
    assert read_study_file(SMALL + space + "baseline: {n: 3, x: 1}\n").baseline == {"n": 3, "x": 1.0}
    assert read_study_file(SMALL + "baseline: {anything: 3}\n").baseline == {"anything": 3}
    with pytest.raises(StudyFileError) as raised:
        read_study_file(SMALL + space + "baseline: {n: 30, y: 1}\n")
    said = str(raised.value).splitlines()
    assert len(said) == 3, "outside its range, unknown, and missing"
    assert all("baseline: " in line for line in said)


@pytest.mark.parametrize(("written", "read"), [("test", ("test",)), ("[8, 9]", (8, 9)), ("[a, 3]", ("a", 3))])
def test_what_is_held_out_is_a_name_or_several(written: str, read: tuple[object, ...]) -> None:
    assert read_study_file(f"{SMALL}holdout: {written}\n").holdout == read


@pytest.mark.parametrize("written", ["[]", "'a,b'", "[[1]]", "-1", "true", "{a: 1}"])
def test_what_is_held_out_has_a_plain_name(written: str) -> None:
    with pytest.raises(StudyFileError):
        read_study_file(f"{SMALL}holdout: {written}\n")


def test_a_breaker_that_is_on_is_not_stored() -> None:
    on, off = (read_study_file(f"{SMALL}breaker: {value}\n") for value in ("on", "off"))
    assert on == read_study_file(SMALL)
    assert "breaker" not in to_document(on)
    assert read_study_data(to_document(off)).breaker == "off"


def test_anchors_and_merge_keys_repeat_what_they_name() -> None:
    space = read_study_file(
        SMALL
        + """
x-unit: &unit {float: [0, 1]}
x-log: &log {float: [1e-3, 1], log: true}
search_space:
  a: *unit
  b: {<<: *log, float: [1e-2, 1]}
"""
    ).search_space
    assert space == (
        ParameterSpec("a", FloatDistribution(0, 1)),
        ParameterSpec("b", FloatDistribution(1e-2, 1, log=True)),
    )


def test_a_nested_condition_and_one_on_several_parents_are_read() -> None:
    space = read_study_file(
        SMALL
        + """
search_space:
  deep: {int: [1, 2], when: {kind: net, size: [large, huge]}}
  deeper: {float: [0, 1], when: {deep: 2}}
  kind: {choice: [net, tree]}
  size: {choice: [small, large, huge]}
"""
    ).search_space
    assert space[0].when == {"kind": ("net",), "size": ("large", "huge")}
    assert space[1].when == {"deep": (2,)}


def test_yaml_1_2_scalars_are_numbers_and_texts_as_people_expect() -> None:
    [parameter] = read_study_file(
        SMALL + "search_space: {answer: {choice: [no, yes, on, 1:30, 010, 1e3]}}"
    ).search_space
    assert parameter.distribution == CategoricalDistribution(["no", "yes", "on", "1:30", 10, 1000.0])


def test_overrides_win_over_the_file_and_the_last_one_over_the_first() -> None:
    spec = read_study_file(
        SMALL + "sampler: random\nsearch_space: {net.lr: {float: [0, 1]}}",
        "f.yaml",
        [
            "budget.trials=4",
            "budget.trials=5",
            "sampler.seed=3",
            "search_space.net.lr.float=[0, 2]",
            "objective.timeout=1m",
            "search_space.depth={int: [1, 3]}",
        ],
    )
    assert spec.budget.trials == 5
    assert spec.sampler == SamplerSpec("random", 3)
    assert spec.objective.timeout == timedelta(minutes=1)
    assert spec.search_space == (
        ParameterSpec("net.lr", FloatDistribution(0, 2)),
        ParameterSpec("depth", IntDistribution(1, 3)),
    )


def test_a_problem_in_an_override_names_the_override() -> None:
    with pytest.raises(StudyFileError) as raised:
        read_study_file(SMALL + "budgte: {}", "f.yaml", ["budget.trials=many", "nonsense"])
    assert str(raised.value).splitlines() == [
        "f.yaml:4:1: unknown key 'budgte' in the study file; did you mean 'budget'?",
        "--set nonsense: this sets nothing; write key=value, like budget.trials=400",
        "--set budget.trials=many: expected a whole number, 1 or more, got 'many'",
    ]
    assert raised.value.exit_code == EXIT_WRONG_INPUT


TOKENS = [
    *"{}[]:#'\"=|>&*!x0é\t\x07\n",
    ": ",
    "- ",
    "  ",
    "*a",
    "&a ",
    "<<: ",
    "!!x ",
    "-1",
    "1e400",
    ".nan",
    "null",
    "true",
]
TOKENS += ["when: ", "float: ", "search_space: ", "---\n", "${X}", "{lr}"]


@settings(max_examples=examples(300))
@given(
    st.lists(
        st.tuples(st.integers(0, len(EVERY_KEY)), st.integers(0, 12), st.sampled_from(TOKENS)),
        min_size=1,
        max_size=4,
    )
)
def test_however_a_file_is_damaged_it_is_a_study_or_has_problems_at_their_places(
    damages: list[tuple[int, int, str]],
) -> None:
    text = EVERY_KEY
    for position, removed, inserted in damages:
        text = text[:position] + inserted + text[position + removed :]
    problems, lines = [], text.count("\n") + 2
    try:
        spec = read_study_file(text, "f.yaml")
        assert read_study_data(to_document(spec)) == spec
    except StudyFileError as error:
        problems = list(error.problems)
    assert all(problem.message and 1 <= (problem.line or 0) <= lines for problem in problems)


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    with pytest.raises(StudyFileError) as raised:
        read_study_file("metrics: {loss: minimise}\nstudy: a b\nsearch_space: {x: {float: [2, 1]}}\n", "f.yaml")
    assert [(problem.line, problem.column) for problem in raised.value.problems] == [
        (1, 1),
        (1, 17),
        (2, 8),
        (3, 27),
    ]


def test_a_budget_changes_by_assignments_and_by_lifting_limits() -> None:
    text = "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\nbudget: {trials: 9, failed: 3}\n"
    changed = change_budget(read_study_file(text), {"trials": "20", "failed": "none"})
    assert changed == replace(read_study_file(text), budget=BudgetSpec(trials=20))
    with pytest.raises(StudyFileError, match="trials"):
        change_budget(changed, {"trials": "many"})


LIMITED = read_study_file(
    "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n"
    "budget: {trials: 9, wall: 1h}\ntags: {a: x, b: y}\n"
)


@pytest.mark.parametrize(
    ("changes", "budget"),
    [
        ({"trials": "+10"}, BudgetSpec(trials=19, wall=timedelta(hours=1))),
        ({"wall": "+30m"}, BudgetSpec(trials=9, wall=timedelta(minutes=90))),
        ({"trials": "none", "wall": "none"}, BudgetSpec()),
        ({"target": "0.5"}, BudgetSpec(trials=9, wall=timedelta(hours=1), target={"loss": 0.5})),
    ],
)
def test_a_budget_grows_by_what_is_added(changes: dict[str, str], budget: BudgetSpec) -> None:
    assert change_budget(LIMITED, changes).budget == budget


def test_prices_are_added_by_device() -> None:
    with pytest.raises(StudyFileError, match=r"^--price H100=much: expected a number, 0 or more, got 'much'"):
        change_budget(LIMITED, {"cost": "5"}, ["H100=much"])
    changed = change_budget(LIMITED, {"cost": "5"}, ["H100=2.5", "cpu=0.1"])
    assert changed.budget.prices == {"H100": 2.5, "cpu": 0.1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patience": "+5"}, "--patience +5: there is no limit to add to; write --patience 5"),
        ({"regret": "0"}, "--regret 0: expected a number above 0, got 0"),
        ({"trials": "+x"}, "--trials +x: expected a whole number, 1 or more, got 'x'"),
        ({"wall": "5"}, "--wall 5: expected a duration with a unit, like 90s, 30m, 12h or 1h30m, got 5"),
        ({"cost": "5"}, "a cost needs the hourly prices of devices; add prices: {H100: 2.5}"),
    ],
)
def test_a_limit_that_cannot_be_is_said_in_the_words_of_its_option(changes: dict[str, str], message: str) -> None:
    with pytest.raises(StudyFileError) as raised:
        change_budget(LIMITED, changes)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("given", "tags"),
    [
        (["c=z"], {"a": "x", "b": "y", "c": "z"}),
        (["a=new"], {"b": "y", "a": "new"}),
        (["a="], {"b": "y"}),
        (["none="], {"a": "x", "b": "y"}),
        (["url=https://x/?q=1"], {"a": "x", "b": "y", "url": "https://x/?q=1"}),
        ([], {"a": "x", "b": "y"}),
    ],
)
def test_tags_are_put_in_and_taken_out(given: list[str], tags: dict[str, str]) -> None:
    assert change_tags(LIMITED, given) == replace(LIMITED, tags=tags)


@pytest.mark.parametrize(
    ("text", "message"), [("alone", "a tag is key=value, like owner=ann"), ("a b=x", "one word")]
)
def test_what_is_no_tag_is_refused(text: str, message: str) -> None:
    with pytest.raises(StudyFileError, match=message):
        change_tags(LIMITED, [text])


def test_a_share_changes_key_by_key_and_none_is_the_default() -> None:
    plain = "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n"
    spec = read_study_file(f"{plain}weight: 2\nowner: ann\n")
    changed = change_share(spec, {"weight": "3.5", "pool": "gpus", "max_running": "4", "preempt": "true"})
    assert (changed.weight, changed.pool, changed.max_running, changed.preempt) == (3.5, "gpus", 4, True)
    assert changed.owner == "ann"
    assert change_share(changed, {"owner": "none", "max_running": "none"}).owner is None
    assert change_share(changed, dict.fromkeys(["weight", "pool", "max_running", "preempt", "owner"], "none")) == (
        read_study_file(plain)
    )
    with pytest.raises(StudyFileError) as refused:
        change_share(spec, {"priority": "high", "max_running": "0"})
    assert "--priority high" in refused.value.message
    assert "--max-running 0" in refused.value.message
