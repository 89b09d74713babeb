"""Delete, rename, clone, archive, note, tag, retry and budgets, on a real database."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import optuna
import optuna_dashboard
import pytest
from optuna.trial import TrialState, create_trial

import hpotool
from hpotool.settings import home_folder
from hpotool.storage.control.creation import read_spec
from hpotool.storage.control.orders import read_events, register_worker
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from tests.commands import Commands

CREATE = (
    "create-study --study {} --objective objectives.quadratic:objective --metric height:minimize "
    "--param 'x=float(0, 1)' --trials 20"
)


@pytest.fixture
def run(database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.setenv("HPOTOOL_STORAGE", database_url)
    return Commands(capsys)


@pytest.fixture
def connection(database_url: str) -> Connection:
    return Connection(DatabaseUrl.parse(database_url))


def load(connection: Connection, name: str) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=hpotool.open_storage(connection.url.sqlalchemy))


def add_trials(connection: Connection, name: str, count: int, state: TrialState = TrialState.COMPLETE) -> None:
    space = {"x": optuna.distributions.FloatDistribution(0, 1)}
    for number in range(count):
        values = [float(number)] if state is TrialState.COMPLETE else None
        params = {"x": number / 10}
        load(connection, name).add_trial(
            create_trial(state=state, values=values, params=params, distributions=space)
        )


def add_worker(connection: Connection, name: str) -> None:
    study_id, _ = read_spec(connection, name)
    worker = WorkerIdentity(
        worker_id=f"w-{name}", host="gpu-b", pid=1, process_space="s", process_start="p", slot="cpu"
    )
    register_worker(connection.run, study_id, worker)


def test_delete_says_what_goes_and_spares_living_workers(
    run: Commands, connection: Connection, hpotool_home: Path
) -> None:
    run(CREATE.format("old"))
    run(CREATE.format("other"))
    add_trials(connection, "old", 3)
    add_worker(connection, "old")
    logs = {name: home_folder() / "logs" / "old" / name / "1.log" for name in ("w-old", "w-of-another-database")}
    for log in logs.values():
        log.parent.mkdir(parents=True)
        log.write_text("epoch 1\n")

    refused = run("delete old --yes", 2).stderr
    assert "error: 1 worker is alive in study 'old', on gpu-b" in refused
    assert "hpotool delete --force old" in refused
    assert "nobody can confirm it" in run("delete old --force", 2).stderr
    assert len(load(connection, "old").trials) == 3

    done = run("delete old --force --yes").stderr
    assert "3 trials, 0 attempts with their events, 1 log on this machine" in done
    assert [log.exists() for log in logs.values()] == [False, True]
    assert [study["name"] for study in run.json("studies")] == ["other"]
    assert connection.run("SELECT count(*) FROM hpotool.study_settings") == [(1,)]
    assert connection.run("SELECT count(*) FROM trials") == [(0,)]
    assert "does not exist" in run("delete old --yes", 3).stderr


def test_a_renamed_study_is_the_same_study(run: Commands, connection: Connection, hpotool_home: Path) -> None:
    run(CREATE.format("first"))
    run(CREATE.format("taken"))
    add_trials(connection, "first", 4)
    (home_folder() / "checkpoints" / "first" / "trial-1").mkdir(parents=True)
    assert "there is already a study 'taken'" in run("rename first taken", 2).stderr
    assert "like my-study" in run("rename first 'my study'", 2).stderr
    assert "already named 'first'" in run("rename first first", 2).stderr
    add_worker(connection, "taken")
    assert "worker is alive" in run("rename taken new", 2).stderr

    assert "study 'first' is now named 'second'" in run("rename first second").stderr
    _, spec = read_spec(connection, "second")
    assert (spec.name, spec.budget.trials) == ("second", 20)
    assert (home_folder() / "checkpoints" / "second" / "trial-1").is_dir()
    assert len(run.json("trials second")) == 4
    assert "study 'first' does not exist" in run("show first", 3).stderr
    assert "it was first" in run("events second").stdout


def test_two_studies_do_not_differ_only_in_case(run: Commands, connection: Connection) -> None:
    """On a file system that ignores case they would have one folder of checkpoints."""
    run(CREATE.format("model"))
    run(CREATE.format("other"))
    add_trials(connection, "model", 1)
    said = "differs from 'Model' only in the case of its letters"
    for command in (CREATE.format("Model"), "rename other Model", "clone other Model"):
        assert said in run(command, 2).stderr
    run(CREATE.format("model"))  # resumes it
    optuna.create_study(study_name="plain", storage=connection.url.sqlalchemy)
    assert said.replace("Model", "MODEL") in run("clone plain MODEL", 2).stderr
    run("rename model Model")
    run("delete plain --yes")
    assert sorted(study["name"] for study in run.json("studies")) == ["Model", "other"]


def test_what_was_taken_over_is_known_under_the_new_name(run: Commands, connection: Connection) -> None:
    run(CREATE.format("first"))
    run(CREATE.format("next"))
    add_trials(connection, "first", 3)
    run("enqueue --study next --from-study first --finished")
    run("rename first again")
    done = run("enqueue --study next --from-study again --finished").stderr
    assert "3 of them: already in 'next'" in done


@pytest.mark.parametrize("what", ["settings", "points", "trials"])
def test_a_clone_has_what_was_asked_for(run: Commands, connection: Connection, what: str) -> None:
    run(CREATE.format("a"))
    run("tag a owner=ann")
    add_trials(connection, "a", 3)
    add_trials(connection, "a", 1, TrialState.FAIL)
    run(f"clone a b --with {what}")
    assert "there is already a study 'b'" in run("clone a b", 2).stderr
    _, spec = read_spec(connection, "b")
    assert spec.tags == {"owner": "ann"}
    trials = load(connection, "b").trials
    states = {"settings": [], "points": ["WAITING"] * 3, "trials": ["COMPLETE"] * 3 + ["FAIL"]}[what]
    assert [trial.state.name for trial in trials] == states
    if what == "trials":
        assert [trial.params for trial in trials] == [trial.params for trial in load(connection, "a").trials]


def test_a_clone_with_trials_has_their_notes_and_what_was_said_of_the_study(
    run: Commands, connection: Connection
) -> None:
    long = "ß" * 5000
    run(CREATE.format("first"))
    run(CREATE.format("a"))
    add_trials(connection, "first", 3)  # so that no id of a trial is its number plus one
    add_trials(connection, "a", 3)
    load(connection, "a").set_user_attr("paper", {"doi": [1, 2]})
    run("note a 'of the study'")
    run(f"note a 2 '{long}'")
    run("note a 0 gone")
    run("note a 0 --remove")
    run("clone a b --with trials")
    run("clone a settings-only")
    assert run("note b").stdout == "of the study\n"
    assert run("note b 2").stdout == f"{long}\n"
    assert "no note" in run("note b 0").stderr
    copy = load(connection, "b")
    assert copy.user_attrs == {"paper": {"doi": [1, 2]}}
    assert optuna_dashboard.get_note(copy) == "of the study"
    assert "no note" in run("note settings-only").stderr
    run("note b 2 other")
    assert run("note a 2").stdout == f"{long}\n"


def test_a_study_of_plain_optuna_is_cloned_with_its_trials(run: Commands, connection: Connection) -> None:
    storage = hpotool.open_storage(connection.url.sqlalchemy)
    study = optuna.create_study(storage=storage, study_name="plain", directions=["minimize", "maximize"])
    study.optimize(lambda t: (t.suggest_float("x", 0, 1), 1.0), n_trials=5)
    run("clone plain copy --with trials")
    copy = load(connection, "copy")
    assert copy.directions == study.directions
    assert [trial.values for trial in copy.trials] == [trial.values for trial in study.trials]


def test_an_archived_study_is_hidden_and_nothing_else(run: Commands, connection: Connection) -> None:
    run(CREATE.format("old"))
    run(CREATE.format("new"))
    assert "to undo: hpotool unarchive --study old" in run("archive old").stderr
    assert "already archived" in run("archive old").stderr
    assert [study["name"] for study in run.json("studies")] == ["new"]
    assert [study["name"] for study in run.json("studies --all")] == ["old", "new"]
    assert run.json("status")["study"] == "new"  # the only one that is not archived
    assert run.json("status old")["study"] == "old"
    run("unarchive old")
    assert len(run.json("studies")) == 2


def test_notes_are_the_dashboards(run: Commands, connection: Connection) -> None:
    run(CREATE.format("s"))
    add_trials(connection, "s", 2)
    long = "ß" * 5000
    run("note s 'the **first** try'")
    run(f"note s 1 '{long}'")
    study = load(connection, "s")
    assert optuna_dashboard.get_note(study) == "the **first** try"
    attributes = study._storage.get_study_system_attrs(study._study_id)
    from optuna_dashboard._note import get_note_from_system_attrs

    assert get_note_from_system_attrs(attributes, study.trials[1]._trial_id)["body"] == long
    run("note s 1 short")
    assert run("note s 1").stdout == "short\n"
    assert run("note s").stdout == "the **first** try\n"
    run("note s --remove")
    assert "no note on s" in run("note s").stderr
    assert "no trial 7" in run("note s 7 text", 3).stderr
    assert "in quotes" in run("note s two words", 2).stderr
    events = [(e.number, e.to_state) for e in read_events(connection.run, study._study_id) if e.kind == "note"]
    assert events == [(None, "written"), (1, "written"), (1, "written"), (None, "removed")]


def test_tags_and_a_description_are_settings(run: Commands, connection: Connection, tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    text = (
        "study: s\nobjective: {python: 'objectives.quadratic:objective'}\nmetrics: {height: minimize}\n"
        "search_space: {x: {float: [0.0, 1.0]}}\n"
    )
    file.write_text(text)
    run(f"create-study {file}")
    file.write_text(text + "description: how deep\ntags: {owner: ann, paper: '3'}\n")
    assert "changed: tags changes from none to" in run(f"create-study {file}").stderr
    assert run("tag s paper= gpu=h100").stdout == "gpu=h100\nowner=ann\n"
    assert run("tag s").stdout.splitlines() == ["gpu=h100", "owner=ann"]
    assert "a tag is key=value" in run("tag --study s owner", 2).stderr
    assert "one word" in run("tag s 'a b=1'", 2).stderr
    study_id, spec = read_spec(connection, "s")
    assert (spec.description, spec.tags) == ("how deep", {"owner": "ann", "gpu": "h100"})
    run("budget s --trials 30 --wall 1h")
    run("share s --priority 3")
    assert hpotool.tag("s", {"gpu": ""}, storage=connection.url.libpq) == {"owner": "ann"}
    said = [event.reason for event in read_events(connection.run, study_id) if event.kind == "settings"]
    assert said == [
        "description changes from none to how deep; tags changes from none to owner: ann, paper: 3",
        "tags changes from owner: ann, paper: 3 to owner: ann, gpu: h100",
        "budget.trials changes from none to 30; budget.wall changes from none to 1h",
        "priority changes from 0 to 3",
        "tags changes from gpu: h100, owner: ann to owner: ann",
    ]


def test_a_trial_is_tagged_in_any_state_and_found_by_its_tags(run: Commands, connection: Connection) -> None:
    run(CREATE.format("s"))
    add_trials(connection, "s", 4)
    add_trials(connection, "s", 1, TrialState.FAIL)
    assert run("tag s 1 kind=small owner='ann b'").stdout == "kind=small\nowner=ann b\n"
    assert run("tag s 1 owner= paper=3").stdout == "kind=small\npaper=3\n"
    assert hpotool.tag("s", {"kind": "small"}, trial=4, storage=connection.url.libpq) == {"kind": "small"}
    assert hpotool.tag("s", trial=1, storage=connection.url.libpq) == {"kind": "small", "paper": "3"}
    run("tag s 2 kind=large")
    run("note s 3 'this one\nis kept'")
    assert run("tag s 0").stdout == ""

    assert [trial["number"] for trial in run.json("trials s --where tag.kind=small")] == [1, 4]
    assert [trial["tags"] for trial in run.json("trials s --where 'tag.kind=small and state=complete'")] == [
        {"kind": "small", "paper": "3"}
    ]
    assert [trial["number"] for trial in run.json("trials s --where note~kept")] == [3]
    assert [trial["number"] for trial in run.json("best s -n 5 --where 'tag.kind~l'")["trials"]] == [1, 2]
    assert [trial["number"] for trial in run.json("best s")["trials"]] == [0]
    assert run.json("show s 1")["tags"] == {"kind": "small", "paper": "3"}
    assert "kind small, paper 3" in run("show s 1").stdout
    assert "this one" in run("show s 3").stdout
    assert "no trial 9" in run("tag s 9 a=b", 3).stderr
    assert "is not a tag" in run("tag s 1 owner", 2).stderr
    assert load(connection, "s").trials[0].system_attrs == {}  # it was only asked
    assert "no trial has 'tag.nothing'" in run("best s --where tag.nothing=1", 2).stderr
    assert "matches --where 'tag.kind=none'" in run("best s --where tag.kind=none").stderr
    assert "tags" not in run.json("trials s")[0]

    run("clone s copy --with trials")
    assert hpotool.tag("copy", trial=1, storage=connection.url.libpq) == {"kind": "small", "paper": "3"}


def test_studies_are_found_by_their_tags(run: Commands, connection: Connection) -> None:
    for name, tags in (("a", "owner=ann paper=3"), ("b", "owner=eve"), ("c", "")):
        run(CREATE.format(name))
        if tags:
            run(f"tag --study {name} {tags}")
    url = connection.url.libpq
    optuna.create_study(study_name="plain", storage=hpotool.open_storage(connection.url.sqlalchemy))
    assert [study["name"] for study in run.json("studies --tag owner")] == ["a", "b"]
    assert [study["name"] for study in run.json("studies --tag owner=ann --tag paper=3")] == ["a"]
    assert run.json("studies 'a*' --tag owner")[0]["tags"] == {"owner": "ann", "paper": "3"}
    assert run.json("studies --tag owner=zoe") == []
    assert hpotool.tag("b", {"owner": "", "gpu": "h100"}, storage=url) == {"gpu": "h100"}
    assert hpotool.tag("b", storage=url) == {"gpu": "h100"}


def test_a_note_of_a_script_is_the_dashboards_and_the_other_way_round(
    run: Commands, connection: Connection
) -> None:
    run(CREATE.format("s"))
    add_trials(connection, "s", 2)
    study = load(connection, "s")
    assert hpotool.note(study, "of a *script*", trial=1) == "of a *script*"
    from optuna_dashboard._note import get_note_from_system_attrs

    attributes = study._storage.get_study_system_attrs(study._study_id)
    assert get_note_from_system_attrs(attributes, study.trials[1]._trial_id)["body"] == "of a *script*"
    optuna_dashboard.save_note(study, "of the dashboard " * 300)
    assert hpotool.note(study) == "of the dashboard " * 300
    assert "of the dashboard" in run("show s").stdout
    assert hpotool.note(study, "", trial=1) == ""
    assert hpotool.note(study, trial=0) == ""


def test_failed_trials_are_tried_again_by_number_all_and_some(run: Commands, connection: Connection) -> None:
    run(CREATE.format("s"))
    add_trials(connection, "s", 5, TrialState.FAIL)
    add_trials(connection, "s", 1)
    study_id, _ = read_spec(connection, "s")
    for number, outcome in ((0, "crash"), (1, "crash"), (2, "oom")):
        connection.run(
            "INSERT INTO hpotool.attempts"
            " (attempt_id, study_id, trial_id, number, root_number, worker_id, host, pid, slot, outcome)"
            " SELECT gen_random_uuid(), study_id, trial_id, number, number, 'w', 'gpu-b', 1, 'cpu', %s"
            " FROM trials WHERE study_id = %s AND number = %s",
            (outcome, study_id, number),
        )
    assert "no trial is given" in run("retry s", 2).stderr
    assert "there is no outcome 'crsh'; did you mean 'crash'?" in run("retry s --where outcome=crsh", 2).stderr
    assert "no trial has 'hosst'; did you mean 'host'?" in run("retry s --where hosst=b", 2).stderr
    assert "is not a comparison" in run("retry s --where crash", 2).stderr
    assert "no failed trial with reason~cuda to retry" in run("retry s --where reason~cuda", 3).stderr
    assert "trial 0 is queued again, as trial 6" in run("retry s --where 'outcome=crash and host=gpu-b'").stderr
    partly = run("retry s 3 5 0", 2)
    assert "trial 3 is queued again, as trial 8" in partly.stderr
    assert "trial 5 is COMPLETE" in partly.stderr
    assert "trial 0 is already being retried, as trial 6" in partly.stderr
    done = run("retry s --failed").stderr
    *queued, last = done.splitlines()
    assert [line.split()[1] for line in queued] == ["2", "4"]
    assert last == "'s' has no workers; start one: hpotool worker --study s"
    assert "no failed trial to retry" in run("retry s --failed", 3).stderr


def test_a_budget_grows_by_what_is_added(run: Commands, connection: Connection) -> None:
    run(CREATE.format("s"))
    add_trials(connection, "s", 5)
    assert "budget.trials changes from 20 to 30" in run("budget s --trials +10").stderr
    assert "5 of 3 trials are finished: with this limit, the study is done" in run("budget s --trials 3").stderr
    run("budget s --wall 1h --trials none --gpu-hours 2.5")
    run("budget s --wall +30m --gpu-hours +1.5")
    _, spec = read_spec(connection, "s")
    assert spec.budget.wall == timedelta(minutes=90)
    assert (spec.budget.trials, spec.budget.gpu_hours) == (None, 4.0)
    assert "--wall 5: expected a duration" in run("budget s --wall 5", 2).stderr
    assert "no limit to add to; write --patience 5" in run("budget s --patience +5", 2).stderr
    assert "--trials +x:" in run("budget s --trials +x", 2).stderr
    assert "--trials +-3:" in run("budget s --trials +-3", 2).stderr
