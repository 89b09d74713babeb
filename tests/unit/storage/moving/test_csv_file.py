"""A CSV file is the study that wrote it, or that a person meant; what it is not gets a sentence with its place."""

import csv
import io
import math
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpotool.analysis.exports.export import trial_rows
from hpotool.errors import InputError, NotFoundError
from hpotool.storage.moving.csv_file import read_csv_study
from hpotool.storage.moving.sources import SourceStudy
from tests.examples import examples

FINITE = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.from_regex(r"[a-z][a-z0-9_.]{0,8}", fullmatch=True)
KEPT_TEXT = st.from_regex(
    r"[a-z][a-z ,\n\"';ä€😀]{0,6}[a-z]", fullmatch=True
)  # whose look is not that of a number


def read(text: str, *metrics: str, path: Path) -> SourceStudy:
    path.write_text(text, encoding="utf-8")
    return read_csv_study(str(path), ["s"], metrics or ["loss:minimize"])


def write(rows: list[dict[str, Any]], delimiter: str = ",") -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("csv") / "trials.csv"


@st.composite
def trials(draw: st.DrawFn) -> list[FrozenTrial]:
    spaces = {
        "lr": FloatDistribution(-1e300, 1e300),
        "n": IntDistribution(-(2**53), 2**53),
        "kind": CategoricalDistribution(draw(st.lists(KEPT_TEXT, min_size=2, max_size=4, unique=True))),
    }
    found = []
    for _ in range(draw(st.integers(1, 5))):
        state = draw(st.sampled_from([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]))
        names = draw(st.sets(st.sampled_from(sorted(spaces))))
        values = {
            "lr": st.floats(-1e300, 1e300),
            "n": st.integers(-(2**53), 2**53),
            "kind": st.sampled_from(spaces["kind"].choices),  # type: ignore[attr-defined]
        }
        trial = create_trial(
            state=state,
            values=draw(st.tuples(st.floats(allow_nan=False), FINITE)) if state is TrialState.COMPLETE else None,
            params={name: draw(values[name]) for name in sorted(names)},
            distributions={name: spaces[name] for name in sorted(names)},
            user_attrs=draw(
                st.dictionaries(NAMES, st.lists(FINITE | st.booleans(), max_size=3) | FINITE, max_size=2)
            ),
            constraints=draw(st.dictionaries(NAMES, FINITE, max_size=2)),
        )
        trial.datetime_start = draw(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001
        trial.datetime_complete = trial.datetime_start + draw(st.timedeltas(timedelta(0), timedelta(days=9)))
        found.append(trial)
    return found


def as_facts(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "state": trial.state,
        "values": trial.values,
        "params": trial.params,
        "start": trial.datetime_start,
        "end": trial.datetime_complete,
        "user": trial.user_attrs,
        "constraints": trial.constraints,
    }


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trials())
def test_a_study_survives_being_exported_and_imported(path: Path, found: list[FrozenTrial]) -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    study.set_metric_names(["loss", "value_of_it"])
    for trial in found:
        study.add_trial(trial)
    back = read(write(trial_rows(study)), "loss:minimize", "value_of_it:maximize", path=path)
    assert back.directions == ["MINIMIZE", "MAXIMIZE"]
    assert back.system_attrs == {"study:metric_names": ["loss", "value_of_it"]}
    assert list(map(as_facts, back.trials)) == list(map(as_facts, study.get_trials(deepcopy=False)))
    for trial in back.trials:
        trial._validate()
        for name, value in trial.params.items():
            assert trial.distributions[name]._contains(trial.distributions[name].to_internal_repr(value))


@pytest.mark.parametrize(
    "name",
    ["value_coef", "values", "valuenet", "params", "paramsx", "constraint", "user", "state_dim",
     "number_of_layers",
     "duration_of_warmup", "hosts", "worker_count", "attempt", "value_", "Value"],
)  # fmt: skip
def test_a_parameter_whose_name_begins_like_a_column_of_optuna_s_is_a_parameter(path: Path, name: str) -> None:
    study = read(f"{name},loss\n0.5,1\n0.25,2\n", path=path)
    assert [trial.params for trial in study.trials] == [{name: 0.5}, {name: 0.25}]


@pytest.mark.parametrize(
    ("cells", "distribution"),
    [
        (["1", "5", "3"], IntDistribution(1, 5)),
        (["1", "5.5"], FloatDistribution(1.0, 5.5)),
        (["1e-3", "2"], FloatDistribution(0.001, 2.0)),
        (["7", "7"], IntDistribution(7, 7)),
        (["a", "b", "a"], CategoricalDistribution(["a", "b"])),
        (["true", "false"], CategoricalDistribution([True, False])),
        (["1", "a"], CategoricalDistribution([1, "a"])),
        (["-0.0", "0.0"], FloatDistribution(0.0, 0.0)),
        ([".inf", "1"], CategoricalDistribution([math.inf, 1])),
        (["yes", "no"], CategoricalDistribution(["yes", "no"])),
        (["[1, 2]", "[1]"], CategoricalDistribution(["[1, 2]", "[1]"])),
        (["99999999999999999999", "1"], CategoricalDistribution(["99999999999999999999", 1])),
    ],
)
def test_a_column_becomes_the_smallest_range_that_has_its_values(
    path: Path, cells: list[str], distribution: Any
) -> None:
    study = read(write([{"x": cell, "loss": 1} for cell in cells]), path=path)
    assert [trial.distributions["x"] for trial in study.trials] == [distribution] * len(cells)


@pytest.mark.parametrize(
    "text", ["GPU #1", "a\nb", "x # y # z", "&a b", "!tag b", "a: b", "[1", "it's", "# a", "a,b"]
)
def test_a_choice_is_the_text_of_its_cell_to_the_last_character(path: Path, text: str) -> None:
    [trial] = read(write([{"x": text, "loss": 1}]), path=path).trials
    assert trial.params == {"x": text}


@given(st.lists(st.lists(st.sampled_from(["", "1", "0.5", "a"]), min_size=3, max_size=3), min_size=1, max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(40))
def test_the_order_of_columns_and_lines_changes_no_trial(path: Path, cells: list[list[str]]) -> None:
    rows = [dict(zip("xyz", line, strict=True)) | {"loss": str(index)} for index, line in enumerate(cells)]

    def facts(rows: list[dict[str, Any]]) -> set[str]:
        return {f"{trial.values} {sorted(trial.params.items())}" for trial in read(write(rows), path=path).trials}

    turned = [dict(reversed(row.items())) for row in reversed(rows)]
    assert facts(rows) == facts(turned)


def test_an_empty_cell_is_a_parameter_that_the_trial_did_not_have(path: Path) -> None:
    study = read("x,y,loss\n1,,0.5\n,2,0.25\n", path=path)
    assert [trial.params for trial in study.trials] == [{"x": 1}, {"y": 2}]


def test_a_trial_without_a_value_has_failed_unless_its_state_is_given(path: Path) -> None:
    study = read("x,loss,state\n1,0.5,\n2,,\n3,,pruned\n4,nan,\n5,inf,COMPLETE\n", path=path)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "PRUNED", "FAIL", "COMPLETE"]
    assert study.trials[-1].values == [math.inf]


@pytest.mark.parametrize("begin", ["\ufeff", ""])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_files_of_other_programs_are_read(tmp_path: Path, begin: str, end: str, delimiter: str) -> None:
    path = tmp_path / ("t.csv" if delimiter == "," else "t.TSV")
    text = delimiter.join(['" x "', "größe", "loss"]) + "\n" + delimiter.join(["1", '"a ""b"""', " 0.5 "]) + "\n\n"
    path.write_bytes((begin + text.replace("\n", end)).encode())
    [trial] = read_csv_study(str(path), ["s"], ["loss:minimize"]).trials
    assert trial.params == {"x": 1, "größe": 'a "b"'}
    assert trial.values == [0.5]


@pytest.mark.parametrize(
    ("text", "metrics", "says"),
    [
        ("", (), "contains no trials"),
        ("x,loss\n", (), "contains no trials"),
        ("x,x,loss\n1,2,3\n", (), "duplicate column 'x'"),
        ("x,loss\n1\n", (), ":2: this line has 1 value, but the header has 2 names"),
        ("x,loss\n1,2\n1,2,3\n", (), ":3: this line has 3 values"),
        ("x,loss\n1,high\n", (), "trial 0, loss: 'high' is not a number"),
        ("x,loss,state\n1,,COMPLETE\n", (), "trial 0 is complete but has no value"),
        ("x,loss,state\n1,2,done\n", (), "'done' is not a state"),
        ("x,loss\n1,2\n", ("los:minimize",), "no column 'los'; did you mean 'loss'"),
        ("x,loss\n1,2\n", ("loss",), "expected NAME:minimize or NAME:maximize"),
        ("x,loss\n1,2\n", ("loss:up",), "expected NAME:minimize or NAME:maximize"),
        (",loss\n1,2\n", (":minimize",), "expected NAME:minimize or NAME:maximize"),
        ("loss,datetime_start\n1,yesterday\n", (), "'yesterday' is not a time"),
        ("loss,datetime_start\n1,9999-12-31T23:59:59-12:00\n", (), "is not a time"),
        ("loss,constraints_mb\n1,much\n", (), "trial 0, constraints_mb: 'much' is not a number"),
        ("loss,constraints_mb\n1,[1]\n", (), "trial 0, constraints_mb: '[1]' is not a number"),
    ],
)
def test_what_is_no_file_of_trials_gets_a_sentence_with_its_place(
    path: Path, text: str, metrics: tuple[str, ...], says: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(text, *metrics, path=path)
    assert says in caught.value.message
    assert caught.value.hint


def test_a_file_that_is_not_there_or_is_no_text_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        read_csv_study(str(tmp_path / "none.csv"), ["s"], ["loss:minimize"])
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00x")
    for unreadable, says in ((tmp_path / "binary.csv", "is not UTF-8 text"), (tmp_path, "cannot be read")):
        with pytest.raises(InputError, match=says):
            read_csv_study(str(unreadable), ["s"], ["loss:minimize"])


@pytest.mark.parametrize(
    ("cell", "value"),
    [("[1, 2]", [1, 2]), ("text", "text"), ("{bad", "{bad"), ("[" * 100_000, "[" * 100_000), ("0.5", 0.5),
     ("null", None), ('"1"', "1"), ("true", True)],
)  # fmt: skip
def test_an_attribute_is_json_or_the_text_itself(path: Path, cell: str, value: Any) -> None:
    [trial] = read(write([{"loss": 1, "user_attrs_a": cell}]), path=path).trials
    assert trial.user_attrs == {"a": value}


@pytest.mark.usefixtures("local_zone")
def test_a_time_with_a_zone_is_the_same_moment_whatever_the_clocks_here_do(path: Path) -> None:
    new_year = datetime(2026, 1, 1, tzinfo=timezone.utc)
    moments = [new_year + timedelta(minutes=minutes) for minutes in range(0, 525_600, 30)]
    lines = "".join(f"1,{moment.isoformat()}\n" for moment in moments[::7])
    starts = [trial.datetime_start for trial in read(f"loss,datetime_start\n{lines}", path=path).trials]
    assert [start and start.tzinfo for start in starts] == [None] * len(starts)
    assert [start and start.astimezone(timezone.utc) for start in starts] == moments[::7]
