"""Studies of other Optuna storages and files, imported: every reading command answers as Optuna does."""

from __future__ import annotations

import json
import math
import random
import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.engine import make_url

import hpotool
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.open import open_storage
from hpotool.study.phase import PHASE_ATTRIBUTE, Reevaluation
from tests.commands import Commands
from tests.mysql import mariadb

SPACE: dict[str, Any] = {
    "Lernrate λ": FloatDistribution(1e-5, 1.0, log=True),
    "layers": CategoricalDistribution([[64], [64, 32], None, "deep"]),
    "größe": IntDistribution(1, 64),
    "momentum": FloatDistribution(0.0, 1.0, step=0.1),
}


@pytest.fixture
def run(database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.setenv("HPOTOOL_STORAGE", database_url)
    return Commands(capsys)


def trial(number: int, dice: random.Random) -> FrozenTrial:
    state = dice.choices([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL], [8, 1, 1])[0]
    names = [name for name in SPACE if name != "momentum" or number % 3 == 0]  # a conditional parameter
    rate, size = 10 ** dice.uniform(-5, 0), dice.randint(1, 64)
    params = {"Lernrate λ": rate, "layers": dice.choice([[64], [64, 32], None, "deep"]), "größe": size}
    params["momentum"] = 0.3
    reports = {0: 0.5, 1: math.nan, 2: -math.inf, 3: rate}
    return create_trial(
        state=state,
        values=[abs(math.log10(rate) + 2), math.inf if number == 7 else size / 64] if state.is_finished()
        and state is TrialState.COMPLETE else None,
        params={name: params[name] for name in names},
        distributions={name: SPACE[name] for name in names},
        user_attrs={"übrigens": {"note": "日本語", "n": number}, "host": "gpu-7"},
        system_attrs={"constraints:latency": dice.uniform(-1, 0.5), "nsga2:generation": number // 50},
        intermediate_values=reports if number % 2 else {},
    )  # fmt: skip


def fill(storage: Any, name: str, count: int) -> optuna.Study:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(storage=storage, study_name=name, directions=["minimize", "maximize"])
        study.set_metric_names(["Verlust", "acc"])
        study.set_user_attr("Datensatz", "größer als 1 GB")
        dice = random.Random(3)
        study.add_trials([trial(number, dice) for number in range(count)])
    return study


def as_compared(trial: FrozenTrial) -> tuple[Any, ...]:
    """All that Optuna knows of a trial but its id; NaN equals NaN in the text."""
    return (
        trial.number, trial.state, repr(trial.values), repr(trial.params), trial.distributions, trial.user_attrs,
        trial.system_attrs, repr(trial.intermediate_values), trial.datetime_start, trial.datetime_complete,
    )  # fmt: skip


def test_a_thousand_trials_of_sqlite_are_the_same_here(
    run: Commands, database_url: str, hpotool_home: Path
) -> None:
    path = hpotool_home / "old.db"  # in memory, where the machine allows it
    old = fill(f"sqlite:///{path}", "alt-1", 1000)
    note = {"dashboard:note_ver": 1, "dashboard:note_str:0": "hello"}
    note |= {
        f"dashboard:{old.trials[5]._trial_id}:note_str:0": "a trial",
    }
    for key, value in note.items():
        old._storage.set_study_system_attr(old._study_id, key, value)
    connection = Connection(DatabaseUrl.parse(database_url))
    run("studies")

    done = run(f"import sqlite:///{path}")
    assert "alt-1: 1000 trials imported" in done.stderr
    assert done.stdout == "alt-1\n"

    new = optuna.load_study(study_name="alt-1", storage=hpotool.open_storage(connection.url.sqlalchemy))
    assert [as_compared(trial) for trial in new.trials] == [as_compared(trial) for trial in old.trials]
    assert (new.directions, new.metric_names, new.user_attrs) == (old.directions, old.metric_names, old.user_attrs)
    assert [t.number for t in new.best_trials] == [t.number for t in old.best_trials]
    assert run("note alt-1 5").stdout == "a trial\n"

    # every reading command
    counts = {state.name: sum(t.state is state for t in old.trials) for state in TrialState}
    counts = {name: count for name, count in counts.items() if count}
    assert run.json("status alt-1")["trials"] == counts
    assert run.json("studies")[0]["trials"] == counts
    listed = run.json("trials alt-1")
    assert len(listed) == 1000
    assert listed[7]["params"] == json.loads(json.dumps(old.trials[7].params))
    front = {t["number"] for t in run.json("pareto alt-1")["trials"]}
    assert front == {t.number for t in old.best_trials}
    shown = run.json("show alt-1 9")
    assert shown["reports"] == {"0": 0.5, "1": "nan", "2": "-inf", "3": old.trials[9].intermediate_values[3]}
    assert shown["user_attributes"] == old.trials[9].user_attrs
    assert shown["constraints"] == old.trials[9].constraints
    number = old.best_trials[0].number
    params = json.loads(run(f"export params -s alt-1 --trial {number} -f json").stdout)
    assert params == json.loads(json.dumps(old.trials[number].params))
    assert len(json.loads(run("export trials -s alt-1 -f json").stdout)) == 1000
    assert run.json("importance alt-1 --metric Verlust")
    assert run.json("best alt-1")
    run("events alt-1")
    study = run.json("show alt-1")
    assert (study["metrics"], study["trials"]) == ({"Verlust": "minimize", "acc": "maximize"}, counts)
    space = {row["parameter"]: row for row in study["search_space"]}
    assert list(space) == list(dict.fromkeys(name for t in old.trials for name in t.params))
    assert space["Lernrate λ"] | {"trials": 1000} == space["Lernrate λ"]
    assert (space["Lernrate λ"]["range"], space["Lernrate λ"]["scale"]) == ("a float from 1e-05 to 1", "log")
    assert space["momentum"]["trials"] == sum("momentum" in t.params for t in old.trials)
    assert study["user_attributes"] == old.user_attrs
    assert "hpotool init --from-study alt-1" in run("show alt-1").stdout

    again = run(f"import {path}")  # the same file by its path
    assert "nothing new; its 1000 trials are already here" in again.stderr
    old.add_trial(create_trial(state=TrialState.COMPLETE, values=[0.0, 1.0]))
    old.ask()
    grown = run(f"import {path}").stderr
    assert "2 trials imported; 1000 were already here" in grown
    assert "1 of them had not ended there" in grown
    states = [t["state"] for t in run.json("trials alt-1")[1000:]]
    assert states == ["COMPLETE", "FAIL"]
    assert "is already here, as 'alt-1'" in run(f"import {path} --as other", 2).stderr


def test_several_studies_and_names_that_no_file_can_bear(run: Commands, tmp_path: Path) -> None:
    path = tmp_path / "many.db"
    for name in ("実験", "../up", "a b", "fine"):
        fill(f"sqlite:///{path}", name, 3)
    done = run(f"import {path} --study fine --study 'a b'")
    assert done.stdout == "a-b\nfine\n" or done.stdout.split() == ["a-b", "fine"]
    assert "a-b (named 'a b' there): 3 trials imported" in done.stderr
    rest = run(f"import {path}")
    assert rest.stdout.split() == ["study", "up", "a-b", "fine"]
    run("rename a-b renamed")
    assert "renamed (named 'a b' there): nothing new" in run(f"import {path}").stderr
    assert "--as names one study" in run(f"import {path} --as x", 2).stderr
    assert "has no study 'c'" in run(f"import {path} --study c", 3).stderr

    other = tmp_path / "other.db"
    fill(f"sqlite:///{other}", "fine", 2)
    taken = run(f"import {other}", 2).stderr
    assert "there is already a study 'fine', which did not come from" in taken
    assert "there is already a study 'fine', which" in run(f"import {other} --as FINE", 2).stderr
    assert "--as fine-2" in taken
    run(f"import {other} --as fine-2")


def test_a_journal_and_another_postgres(run: Commands, database_url: str, postgres: Any, tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    old = fill(JournalStorage(JournalFileBackend(str(path))), "journal", 40)
    run(f"import {path}")
    new = optuna.load_study(study_name="journal", storage=hpotool.open_storage(database_url))
    assert [as_compared(trial) for trial in new.trials] == [as_compared(trial) for trial in old.trials]
    with postgres.database("elsewhere") as url:
        fill(hpotool.open_storage(url), "far", 20)
        run(f"import {url}")
    assert len(run.json("trials far")) == 20


def test_a_study_of_mysql_comes_whole(run: Commands, database_url: str) -> None:
    with mariadb() as url:
        driver = url.replace("mysql://", "mysql+pymysql://", 1)
        old = fill(driver, "alt ☃", 12)
        done = run(f"import {url}")
        assert "12 trials imported" in done.stderr
        name = done.stdout.strip()
        new = optuna.load_study(study_name=name, storage=hpotool.open_storage(database_url))
        assert [as_compared(trial) for trial in new.trials] == [as_compared(trial) for trial in old.trials]
        assert (new.directions, new.user_attrs) == (old.directions, old.user_attrs)
        assert new.metric_names == old.metric_names
        assert "nothing new" in run(f"import {url}").stderr

        parsed = make_url(url)
        refused = {
            parsed.set(password="wrong"): "Access denied",
            parsed.set(database="none"): "Access denied",
        }
        for wrong, reason in refused.items():
            said = run(f"import {wrong.render_as_string(False)}", 4).stderr
            assert reason in said
            assert "p:w" not in said
    said = run(f"import {url}", 4).stderr
    assert "Can't connect to MySQL server" in said


def test_a_csv_file_of_trials_is_a_study(run: Commands, database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("lr,depth,booster,loss\n0.1,3,gbtree,0.5\n0.01,5,dart,0.25\n1,7,dart,\n")
    run(f"import {path} --study runs --metric loss:minimize")
    trials = run.json("trials runs")
    assert [t["state"] for t in trials] == ["COMPLETE", "COMPLETE", "FAIL"]
    assert trials[1]["params"] == {"lr": 0.01, "depth": 5, "booster": "dart"}
    assert run.json("best runs")["trials"][0]["values"] == {"loss": 0.25}
    assert "nothing new" in run(f"import {path} --study runs --metric loss:minimize").stderr

    # what hpotool and Optuna write is read back
    run("export trials -s runs -o " + str(tmp_path / "out.csv"))
    run(f"import {tmp_path / 'out.csv'} --study back --metric loss:minimize")
    back = run.json("trials back")
    assert [(t["state"], t["params"], t["values"]) for t in back] == [
        (t["state"], t["params"], t["values"]) for t in trials
    ]
    study = optuna.create_study(direction="maximize")
    study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=4)
    study.trials_dataframe().to_csv(tmp_path / "frame.csv", index=False)
    run(f"import {tmp_path / 'frame.csv'} --study frame --metric value:maximize")
    assert run.json("best frame")["trials"][0]["params"] == study.best_params


def test_confirmations_in_a_csv_file_stay_apart_from_the_search(
    run: Commands, database_url: str, tmp_path: Path
) -> None:
    storage = hpotool.open_storage(database_url)
    run(
        "create-study --study s --objective objectives.quadratic:objective --metric loss:minimize "
        "--param 'x=float(0, 1)' --trials 20"
    )
    study = optuna.load_study(study_name="s", storage=storage)
    space = {"x": FloatDistribution(0, 1)}
    marks = [
        None,
        None,
        Reevaluation("confirm", "trial 0", 0),
        Reevaluation("confirm", "trial 0", 1),
        Reevaluation("final", "best", 0),
    ]
    for number, mark in enumerate(marks):
        study.add_trial(
            create_trial(
                value=float(number), params={"x": 0.5}, distributions=space,
                system_attrs={} if mark is None else {PHASE_ATTRIBUTE: mark.to_attribute()},
            )
        )  # fmt: skip
    run(f"export trials -s s -o {tmp_path / 's.csv'}")
    run(f"import {tmp_path / 's.csv'} --study back --metric loss:minimize")
    back = optuna.load_study(study_name="back", storage=open_storage(database_url, hides_reevaluations=False))
    assert [Reevaluation.of(trial.system_attrs) for trial in back.get_trials()] == marks
    assert [trial.number for trial in optuna.load_study(study_name="back", storage=storage).get_trials()] == [0, 1]
    assert run.json("studies back")[0]["trials"] == run.json("studies s")[0]["trials"]

    # whoever goes on with it does not count them either
    run("init --from-study back -o " + str(tmp_path / "back.yaml"))
    text = (tmp_path / "back.yaml").read_text()
    (tmp_path / "back.yaml").write_text(text.replace("my_module:objective", "objectives.quadratic:objective"))
    run(f"create-study {tmp_path / 'back.yaml'}")
    assert run.json("status back")["budget"]["finished"] == 2

    (tmp_path / "bad.csv").write_text((tmp_path / "s.csv").read_text().replace("confirm", "confrm", 1))
    refused = run(f"import {tmp_path / 'bad.csv'} --study bad --metric loss:minimize", 2)
    assert "trial 2: 'confrm' is not a phase" in refused.stderr
    (tmp_path / "own.csv").write_text("phase,x,loss\nconfirm,1,2\n")
    run(f"import {tmp_path / 'own.csv'} --study own --metric loss:minimize")
    assert run.json("trials own")[0]["params"] == {"phase": "confirm", "x": 1}


def test_whole_numbers_that_no_float_holds_stay_exact(run: Commands, database_url: str, tmp_path: Path) -> None:
    large = 2**53 + 1
    (tmp_path / "seeds.csv").write_text(f"seed,loss\n{large},1\n{large + 2},0.5\n")
    run(f"import {tmp_path / 'seeds.csv'} --study seeds --metric loss:minimize")
    assert [trial["params"]["seed"] for trial in run.json("trials seeds")] == [large, large + 2]
