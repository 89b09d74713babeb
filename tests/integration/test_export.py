"""What is exported can be read back by other programs."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import optuna
import pyarrow.parquet
import pytest
import yaml
from optuna.trial import TrialState, create_trial

import hpotool
from tests.commands import Commands


@pytest.fixture
def run(database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.setenv("HPOTOOL_STORAGE", database_url)
    study = optuna.create_study(storage=hpotool.open_storage(database_url), study_name="s")
    space = {
        "x": optuna.distributions.FloatDistribution(0, 9),
        "k": optuna.distributions.CategoricalDistribution(("a", 1, None)),
    }
    for number in range(6):
        params = {"x": float(number), "k": ("a", 1, None)[number % 3]}
        values = [math.inf if number == 5 else 5.0 - number]
        study.add_trial(
            create_trial(
                values=values,
                params=params,
                distributions=space,
                user_attrs={"tags": ["ü", number]},
                intermediate_values={3: math.nan, 1: 0.5} if number == 2 else {},
            )
        )
    study.add_trial(create_trial(state=TrialState.FAIL))
    return Commands(capsys)


def test_trials_steps_and_params_in_every_format(run: Commands, tmp_path: Path) -> None:
    table = tmp_path / "trials.parquet"
    run(f"export trials -o {table}")
    rows = pyarrow.parquet.read_table(table).to_pylist()
    assert [row["values_value"] for row in rows] == [5.0, 4.0, 3.0, 2.0, 1.0, math.inf, None]
    assert [row["params_k"] for row in rows[:3]] == ['"a"', "1", None]
    assert json.loads(rows[2]["user_attrs_tags"]) == ["ü", 2]
    assert {"outcome", "reason", "worker", "host", "attempts"} <= rows[0].keys()

    lines = list(csv.DictReader(run("export trials --steps").stdout.splitlines()))
    assert lines == [{"number": "2", "step": "1", "value": "0.5"}, {"number": "2", "step": "3", "value": "nan"}]
    run(f"export trials --steps -o {table}")
    assert pyarrow.parquet.read_table(table).column("step").to_pylist() == [1, 3]

    assert [params["x"] for params in yaml.safe_load(run("export params -n 3").stdout)] == [4.0, 3.0, 2.0]
    done = run(f"export params -n 2 -o {tmp_path / 'best.yaml'}")
    assert done.stderr.count("wrote ") == 2
    assert [yaml.safe_load((tmp_path / f"best-{rank}.yaml").read_text())["x"] for rank in (1, 2)] == [4.0, 3.0]
    run(f"export params -n 2 -o {tmp_path / 'best.csv'}")
    assert len((tmp_path / "best.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("export trials -o t.txt", "ends with .txt, but the known endings are"),
        ("export trials -f parquet", "cannot be written to a terminal"),
        ("export params -o p.parquet", "for trials, not for params"),
        ("export trials -n 3", "-n goes with params"),
        ("export params --steps", "--steps goes with trials"),
        ("export params -n 3 --trial 1", "--trial names one trial"),
        ("export params -n 0", "must be 1 or more"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_a_sentence(run: Commands, line: str, says: str) -> None:
    assert says in run(line, 2).stderr
