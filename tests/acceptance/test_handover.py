"""What objectives hand over, with real workers: they live, each trial ends, and what was accepted is stored."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest

from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.optuna.postgres import PostgresStorage
from hpotool.study.outcome import FAILED_ATTRIBUTE
from tests.acceptance.command_line import ROOT, CommandLine
from tests.handover import NOTES, Accepted, same

TRIALS = 66  # finished ones: some 130 attempts
STATES = {"complete": "COMPLETE", "pruned": "PRUNED", "error": "FAIL", "nan": "FAIL"}


@pytest.mark.parametrize(("isolation", "trials"), [("process", TRIALS), ("none", TRIALS // 4)])
def test_a_worker_outlives_whatever_it_is_handed_and_stores_what_was_accepted(
    database_url: str, tmp_path: Path, isolation: str, trials: int
) -> None:
    # In the worker itself, what is printed meets the worker's own stdout: plain Python refuses surrogates there.
    own = {NOTES: str(tmp_path), "PYTHONIOENCODING": "utf-8:backslashreplace"}
    hpotool = CommandLine(database_url, environment=own)
    study_file = tmp_path / "study.yaml"
    study_file.write_text(
        f"study: handover\nobjective: {{python: 'tests.handover:objective', isolation: {isolation}}}\n"
        "metrics: {loss: minimize}\nsampler: {name: random, seed: 1}\n"
        f"budget: {{trials: {trials}}}\nretry: {{crash: 0, stalled: 0, lost: 0}}\n"
    )
    hpotool.run("create-study", str(study_file))
    log = hpotool.run("worker", "--study", "handover").stderr
    assert "trials are finished" in log
    assert not any(ord(one) < 32 and one != "\n" for one in log)
    records = {record["number"]: record for record in hpotool.json("trials", "--study", "handover")}
    stored = optuna.load_study(
        study_name="handover", storage=optuna.storages.RDBStorage(DatabaseUrl.parse(database_url).sqlalchemy)
    ).get_trials(deepcopy=False)
    assert len(stored) >= trials
    for trial in stored:
        assert (tmp_path / f"{trial.number}.pickle").exists(), records[trial.number]["attempts"]
        accepted: Accepted = pickle.loads((tmp_path / f"{trial.number}.pickle").read_bytes())
        check(accepted, trial, records[trial.number])
    ours = PostgresStorage(DatabaseUrl.parse(database_url))
    study_id = ours.get_study_id_from_name("handover")
    for trial, other in zip(ours.get_all_trials(study_id), stored, strict=True):
        for part in ("user_attrs", "params", "intermediate_values"):
            assert same(sorted_by_key(getattr(trial, part)), sorted_by_key(getattr(other, part)))


def check(accepted: Accepted, trial: optuna.trial.FrozenTrial, record: dict[str, Any]) -> None:
    """What plain Optuna reads is exactly what was accepted, in type and value; the rest has a reason."""
    assert (record["outcome"], trial.state.name) == (accepted.outcome, STATES[accepted.outcome]), record
    values = list(trial.values or ()) if trial.state.name == "COMPLETE" else None
    # A column of Postgres gives 0.0 back for -0.0, which equals it, to plain Optuna too.
    assert same(values, accepted.values and [number + 0.0 for number in accepted.values])
    reason = record["attempts"][-1]["reason"]
    assert bool(reason) == (accepted.outcome != "complete" or accepted.left_out > 0), record
    assert same(sorted_by_key(trial.user_attrs), sorted_by_key(accepted.user_attrs))
    reports = {step: number + 0.0 for step, number in accepted.reports.items()}
    assert same(sorted_by_key(trial.intermediate_values), sorted_by_key(reports))
    assert same(sorted_by_key(trial.constraints), sorted_by_key(accepted.constraints))
    assert same(sorted_by_key(trial.params), sorted_by_key(accepted.params))
    ours = {FAILED_ATTRIBUTE}  # what the worker itself notes for the search
    assert all(key.startswith("constraints:") for key in trial.system_attrs.keys() - ours)


def sorted_by_key(mapping: Mapping[Any, Any]) -> dict[Any, Any]:
    return dict(sorted(mapping.items()))


@pytest.mark.parametrize(
    ("name", "trials", "outcome", "reason"),
    [
        ("undecodable_name_in_error", 2, "error", "ValueError: cannot read data/na\\udcefve.wav"),
        ("step_beyond_32_bits", 2, "error", "ValueError: the step is beyond 2147483647"),
        ("list_choices", 3, "complete", ""),
    ],
)
def test_a_case_that_users_met_elsewhere_ends_as_it_should(
    database_url: str, name: str, trials: int, outcome: str, reason: str
) -> None:
    hpotool = CommandLine(database_url, folder=ROOT / "tests" / "cases" / name)
    hpotool.run("create-study", "study.yaml")
    study = name.replace("_", "-")
    hpotool.run("worker", "--study", study)
    attempts = [record["attempts"][0] for record in hpotool.json("trials", "--study", study)]
    assert [attempt["outcome"] for attempt in attempts] == [outcome] * trials
    assert all((attempt["reason"] or "").startswith(reason) for attempt in attempts)
    if name == "list_choices":
        [best] = hpotool.json("best", "--study", study)["trials"]
        assert best["params"]["hidden"] in ([64], [64, 64], [128, 64])


def test_control_characters_reach_a_terminal_through_raw_logs_only(database_url: str, tmp_path: Path) -> None:
    """A title, a colour, a name and an error that a terminal would obey, in everything that people read."""
    hpotool = CommandLine(database_url)
    study_file = tmp_path / "study.yaml"
    study_file.write_text(
        "study: control\nobjective: {python: 'tests.handover:obeyed'}\nmetrics: {loss: minimize}\n"
        "budget: {trials: 1, failed: 1}\n"
    )
    hpotool.run("create-study", str(study_file))
    said = [hpotool.run("worker", "--study", "control").stderr]
    for command in (["show", "0"], ["show"], ["status"], ["watch"], ["trials"], ["events"], ["logs", "0"]):
        done = hpotool.run(*command, "--study", "control")
        said += [done.stdout, done.stderr]
    assert not [one for text in said for one in text if ord(one) < 32 and one not in "\n\t"]
    assert r"\x1b]0;own\x07" in said[-2]
    unknown = hpotool.run("status", "--study", "\udcff\x1b", code=None)
    assert unknown.stderr.startswith("error: study '\\udcff\\x1b' does not exist\n")
    raw = hpotool.run("logs", "0", "--raw", "--study", "control").stdout
    assert "\x1b]0;own\x07" in raw
    shown = hpotool.json("show", "0", "--study", "control")
    times = [shown["started"], shown["ended"], shown["attempts"][0]["started"]]
    times += [event["at"] for event in hpotool.json("events", "--study", "control")]
    assert all(time.endswith("+00:00") for time in times)
