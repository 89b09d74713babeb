"""What a person sees of a study while it runs and afterwards."""

from __future__ import annotations

from pathlib import Path

import optuna

from hpotool.storage.database.url import DatabaseUrl
from tests.acceptance.command_line import HPOTOOL, CommandLine, wait_until
from tests.terminal import open_terminal

HELD = """
import time
from pathlib import Path

FOLDER = Path(__file__).parent

def objective(trial):
    while (FOLDER / "hold").exists():
        time.sleep(0.05)
    return trial.params["x"]
"""
STUDY = """
study: held
objective: {python: "held:objective"}
metrics: {loss: minimize}
search_space: {x: {float: [-1.0, 1.0]}}
budget: {trials: 1}
"""


def make_study(hpotool: CommandLine, folder: Path) -> CommandLine:
    (folder / "held.py").write_text(HELD)
    (folder / "held.yaml").write_text(STUDY)
    (folder / "hold").touch()
    command_line = CommandLine(hpotool.url, folder, {"HPOTOOL_HOME": str(folder / "home")})
    command_line.run("create-study", "held.yaml")
    return command_line


def test_watch_goes_on_until_the_study_is_done(hpotool: CommandLine, tmp_path: Path) -> None:
    here = make_study(hpotool, tmp_path)
    seen = tmp_path / "seen"
    with here.start("watch", "--interval", "0.2", log=seen) as watcher:
        wait_until(lambda: "held running  0/1 finished" in seen.read_text(), "it says where the study is")
        (tmp_path / "hold").unlink()
        here.run("worker", "--gpu", "none")
        assert watcher.wait(60) == 0
    last = seen.read_text().splitlines()[-1]
    assert last.startswith("held done  1/1 finished  1 complete  best loss=")


def test_show_without_a_number_describes_the_study_and_says_what_searches_it(
    hpotool: CommandLine, tmp_path: Path
) -> None:
    here = make_study(hpotool, tmp_path)
    data = here.json("show")
    assert data["study"] == "held"
    assert data["metrics"] == {"loss": "minimize"}
    assert data["search_space"] == {"x": {"float": [-1.0, 1.0]}}
    assert data["search"]["chosen"] == "points that keep their distance"
    assert data["budget"] == {"trials": 1}
    assert data["state"] == "running"
    table = here.run("show").stdout
    assert "search       points that keep their distance: the budget of 1 trial ends before" in table
    assert "[-1.0, 1.0]" in table
    (tmp_path / "hold").unlink()
    here.run("worker", "--gpu", "none")
    assert here.json("show", "0")["state"] == "COMPLETE"


def test_show_of_a_study_of_plain_optuna_says_what_its_trials_show(hpotool: CommandLine, tmp_path: Path) -> None:
    make_study(hpotool, tmp_path)  # creates the tables
    assert hpotool.url is not None
    study = optuna.create_study(study_name="plain", storage=DatabaseUrl.parse(hpotool.url).sqlalchemy)
    assert "no trial has parameters yet" in hpotool.run("show", "--study", "plain").stdout
    study.enqueue_trial({"lr": 0.1})
    study.optimize(lambda trial: trial.suggest_float("lr", 1e-3, 1.0, log=True), n_trials=1)
    shown = hpotool.run("show", "--study", "plain").stdout
    assert "plain, created by plain Optuna" in shown
    assert "a float from 0.001 to 1  log" in shown
    assert "hpotool init --from-study plain" in shown


def test_watch_says_what_further_search_may_gain_as_status_does(hpotool: CommandLine, tmp_path: Path) -> None:
    here = make_study(hpotool, tmp_path)
    assert here.url is not None
    here.run("budget", "held", "--trials", "90")
    study = optuna.load_study(study_name="held", storage=DatabaseUrl.parse(here.url).sqlalchemy)
    space = {"x": optuna.distributions.FloatDistribution(-1.0, 1.0)}
    for place in range(25):
        x = place * 1.236 % 2.0 - 1.0
        study.add_trial(optuna.trial.create_trial(params={"x": x}, distributions=space, value=x * x))
    sentence = here.json("status")["regret"]["sentence"]
    words = [HPOTOOL, "watch", "held", "--interval", "0.2"]
    environment = {"HPOTOOL_STORAGE": here.url, **here.environment}
    with open_terminal(words, tmp_path, environment, width=200, height=40) as terminal:
        wait_until(lambda: sentence in " ".join(terminal.screen().split()), "the estimate is on the screen")
        terminal.press("q")


def test_watch_in_a_real_terminal(hpotool: CommandLine, tmp_path: Path) -> None:
    """It fills the terminal, follows its size, pauses only when that is confirmed, and leaves it as it was."""
    here = make_study(hpotool, tmp_path)
    assert here.url is not None
    environment = {"HPOTOOL_STORAGE": here.url, **here.environment}
    words = [HPOTOOL, "watch", "held", "--interval", "0.2"]
    with open_terminal(words, tmp_path, environment, width=80, height=24) as terminal:

        def shows(text: str) -> None:
            wait_until(lambda: text in terminal.screen(), f"the screen shows {text!r}")

        shows("no workers; to start one: hpotool worker --study held")
        lines = terminal.screen().splitlines()
        assert lines[0] == "held  running"
        assert len(lines[1]) == 80
        assert "q quit · p pause" in lines[23]
        with here.start("worker", "--gpu", "none", log=tmp_path / "log"):
            shows("alive")
            terminal.resize(120, 40)
            wait_until(lambda: len(terminal.screen().splitlines()[1]) == 120, "it follows the size")
            terminal.press("p")
            shows("pause held?")
            terminal.press("n")
            shows("q quit · p pause")
            assert here.json("status")["state"] == "running"
            terminal.press("p")
            shows("pause held?")
            terminal.press("y")
            shows("held  paused")
            assert here.json("status")["state"] == "paused"
            terminal.press("o")
            shows("open trial: ▏")
            terminal.press("9", "9", "Enter")
            shows("has no trial 99")
            terminal.press("o")
            shows("open trial: ▏")
            terminal.press("0", "Enter")
            shows("trial        0")
            shows("q back · n next · p previous")
            terminal.press("q")
            shows("o open a trial")
            terminal.press("q")
            shows("ended with 0")
    with open_terminal(words, tmp_path, environment, width=80, height=24) as terminal:
        wait_until(lambda: "q quit" in terminal.screen(), "it is there")
        terminal.press("C-c")
        wait_until(lambda: "ended with 130" in terminal.screen(), "Ctrl-C leaves")


def test_status_says_what_happens_and_who_left_why(hpotool: CommandLine, tmp_path: Path) -> None:
    here = make_study(hpotool, tmp_path)
    (tmp_path / "held.py").write_text("def objective(trial):\n    raise ValueError('no data')\n")
    here.run("worker", "--gpu", "none", code=None)
    found = here.json("status")
    [failure] = found["failures"]
    assert (failure["outcome"], failure["reason"]) == ("error", "ValueError: no data")
    assert failure["count"] == found["trials"]["FAIL"]
    assert found["pace"]["elapsed_s"] > 0
    assert found["pace"]["left_s"] is None
    assert found["is_forsaken"]
    assert found["workers"] == []
    [departed] = found["departed"]
    assert "circuit breaker" in departed["reason"]
    shown = here.run("status").stdout
    assert "no workers; to start one: hpotool worker --study held" in shown
    assert f"{departed['id']} left " in shown
    assert "ValueError: no data" in shown


def test_studies_are_told_apart_and_trials_chosen_and_sorted(hpotool: CommandLine, tmp_path: Path) -> None:
    here = make_study(hpotool, tmp_path)
    assert here.url is not None
    plain = optuna.create_study(
        study_name="plain", storage=DatabaseUrl.parse(here.url).sqlalchemy, direction="maximize"
    )
    for number in range(6):
        trial = optuna.trial.create_trial(
            value=number % 4,
            params={"x": number / 10},
            distributions={"x": optuna.distributions.FloatDistribution(0, 1)},
        )
        plain.add_trial(trial)
    held, other = here.json("studies")
    assert (held["state"], held["trials"], held["best"], held["workers"]) == ("running", {}, None, 0)
    assert (other["state"], other["trials"], other["best"]) == (None, {"COMPLETE": 6}, 3.0)
    assert [study["name"] for study in here.json("studies", "pl*")] == ["plain"]
    assert "no study matches 'zz'" in here.run("studies", "zz").stderr
    shown = here.run("studies").stdout
    assert "0/1" in shown
    assert "plain Optuna" in shown

    def numbers(*options: str) -> list[str]:
        return here.run("trials", "plain", *options, "--format", "value").stdout.split()

    assert numbers("--top", "2") == ["3", "2"]
    assert numbers("--sort", "-x", "-n", "2") == ["1", "0"]
    assert numbers("--where", "x>0.1 and value<3", "--sort", "value", "--reverse") == ["2", "5", "4"]
    assert here.run("trials", "plain", "--columns", "x,trial", "--top", "1", "--format", "csv").stdout == (
        "x,trial\n0.3,3\n"
    )
    wrong = here.run("trials", "plain", "--sort", "valu", code=2).stderr
    assert "no trial has 'valu'; did you mean 'value'?" in wrong


FAILING = """
def objective(trial):
    if trial.params["x"] > 0.3:
        raise ValueError("too large")
    return trial.params["x"]
"""


def test_status_and_show_say_where_trials_fail(hpotool: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(FAILING)
    study = STUDY.replace("held", "failing").replace("budget: {trials: 1}", "budget: {trials: 12}\n")
    (tmp_path / "failing.yaml").write_text(f"{study}sampler: {{name: random, seed: 1}}\nretry: {{error: 0}}\n")
    here = CommandLine(hpotool.url, tmp_path, {"HPOTOOL_HOME": str(tmp_path / "home")})
    here.run("create-study", "failing.yaml")
    here.run("worker", "--gpu", "none")
    region = here.json("status")["failure_region"]
    assert (region["parameter"], region["comparison"]) == ("x", ">=")
    assert (region["failed_outside"], region["outside"]) == (0, 12)
    count = region["inside"]
    assert region["failed_inside"] == count >= 3
    said = f"x >= {region['value']:.4g}: {count} of {count}, elsewhere 0 of 12"
    assert f"trials fail where {said}" in here.run("status").stdout
    assert f"fails where  {said}" in here.run("show").stdout
