"""What a person sees of a study while it runs and afterwards."""

from __future__ import annotations

from pathlib import Path

import optuna

from hpotool.storage.database.url import DatabaseUrl
from tests.acceptance.command_line import CommandLine, wait_until

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
    assert "search       points that keep their distance: the budget of 1 trials ends before" in table
    assert "[-1.0, 1.0]" in table
    (tmp_path / "hold").unlink()
    here.run("worker", "--gpu", "none")
    assert here.json("show", "0")["state"] == "COMPLETE"


def test_show_says_that_a_study_of_plain_optuna_has_no_settings(hpotool: CommandLine, tmp_path: Path) -> None:
    make_study(hpotool, tmp_path)  # creates the tables
    assert hpotool.url is not None
    optuna.create_study(study_name="plain", storage=DatabaseUrl.parse(hpotool.url).sqlalchemy)
    done = hpotool.run("show", "--study", "plain", code=3)
    assert "was made by plain Optuna and has no settings" in done.stderr
