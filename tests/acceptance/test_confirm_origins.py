"""A confirmation with other code, data or another image than the search says so, wherever it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.command_line import CommandLine

# The first is deterministic but for its seed; the second is a program, whose helper is no argument of it.
MODULE = """
import pathlib, random

def noisy(trial):
    x = trial.suggest_float("x", 0, 1)
    rows = len(pathlib.Path("rows.csv").read_text())
    return (x - 0.3) ** 2 + rows + random.Random(trial.seed).gauss(0, 0.001)
"""
PROGRAM = 'exec sh helper.sh "$1"\n'
HELPER = 'echo "{\\"loss\\": $1$HPOTOOL_SEED}"\n'
PYTHON = '{python: "mine:noisy"}'
COMMAND = '{command: [sh, train.sh, "{x}"]}'
STUDY = """
study: NAME
objective: OBJECTIVE
metrics: {loss: minimize}
search_space: {x: {float: [0, 1]}}
sampler: {name: random, seed: SEED}
budget: {trials: 3}
data: [rows.csv]
"""


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> CommandLine:
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "train.sh").write_text(PROGRAM)
    (tmp_path / "helper.sh").write_text(HELPER)
    (tmp_path / "rows.csv").write_text("1")
    return _with_image(CommandLine(database_url, tmp_path, {"HPOTOOL_HOME": str(tmp_path / "home")}), "a:1")


def _with_image(here: CommandLine, image: str) -> CommandLine:
    return CommandLine(here.url, here.folder, {**here.environment, "HPOTOOL_IMAGE": image})


def _search(here: CommandLine, objective: str = PYTHON, name: str = "s") -> None:
    text = STUDY.replace("NAME", name).replace("OBJECTIVE", objective)
    (here.folder / "study.yaml").write_text(text.replace("SEED", str(ord(name))))
    here.run("create-study", "study.yaml")
    here.run("worker", name)


def _confirm(here: CommandLine, seeds: int, name: str = "s") -> None:
    here.run("confirm", name, "--top", "1", "--seeds", str(seeds))
    here.run("worker", name)


def test_what_was_the_same_is_not_spoken_of(here: CommandLine) -> None:
    _search(here)
    _confirm(here, 2)
    found = here.json("confirm", "--show")
    assert found["differs"] == {}
    assert "differ" not in found["sentence"]
    assert here.json("best")["differs"] == {}


@pytest.mark.parametrize(
    ("objective", "file", "name"),
    [
        (PYTHON, "rows.csv", "data rows.csv"),
        (PYTHON, "mine.py", "code mine.py"),
        (COMMAND, "helper.sh", "other files of code"),
    ],
)
def test_other_data_or_code_is_said(here: CommandLine, objective: str, file: str, name: str) -> None:
    _search(here, objective)
    changed = here.folder / file
    changed.write_text(changed.read_text() + ("2" if file == "rows.csv" else "\n"))
    _confirm(here, 2)
    found = here.json("confirm", "--show")
    assert next(iter(found["differs"])) == name
    both = found["differs"][name]
    assert [len(both["search"]), len(both["replicates"])] == [1, 1]
    assert both["search"] != both["replicates"]
    assert (
        f"The replicates differ from the search's trials in {name} ({both['search'][0]} -> " in found["sentence"]
    )


def test_it_is_said_wherever_the_answer_is_shown(here: CommandLine) -> None:
    _search(here)
    (here.folder / "rows.csv").write_text("22")
    _confirm(here, 3)
    said = "The replicates differ from the search's trials in data rows.csv"
    for words in (("confirm", "--show"), ("best",), ("pareto",), ("status",)):
        assert said in " ".join(here.run(*words).stdout.split()), words
    assert list(here.json("best")["differs"]) == ["data rows.csv"]
    assert list(here.json("status")["confirmation"]["differs"]) == ["data rows.csv"]
    here.run("report", "s", "--output", "report.md")
    assert said in (here.folder / "report.md").read_text()

    _search(here, name="t")
    _confirm(here, 3, "t")
    assert f"s: {said}" in " ".join(here.run("compare", "s", "t").stdout.split())
    old, new = here.json("compare", "s", "t")["studies"]
    assert (list(old["best"]["differs"]), new["best"]["differs"]) == (["data rows.csv"], {})


def test_studies_that_were_confirmed_on_other_data_are_not_compared(here: CommandLine) -> None:
    """Both searched the same data; what is compared are the replicates, and one's came from other data."""
    _search(here)
    _confirm(here, 3)
    _search(here, name="t")
    (here.folder / "rows.csv").write_text("22")
    _confirm(here, 3, "t")
    found = here.json("compare", "s", "t")
    assert [side["best"]["confirmed"] for side in found["studies"]] == [True, True]
    [verdict] = found["verdicts"]
    assert verdict["verdict"] == "cannot tell"
    assert not verdict["new"]["confirmed"], "the replicates are left out"


def test_an_image_that_changed_between_replicates_is_said(here: CommandLine) -> None:
    _search(here)
    _confirm(here, 2)
    _confirm(_with_image(here, "a:2"), 4)
    found = here.json("confirm", "--show")
    assert found["differs"] == {"image": {"search": ["a:1"], "replicates": ["a:1", "a:2"]}}
    assert "from the search's trials in image (a:1 -> a:1, a:2)." in found["sentence"]


def test_a_point_of_another_study_is_compared_with_where_that_one_ran(here: CommandLine) -> None:
    _search(here)
    own = here.json("show", "--study", "s", "--lineage")["of_study"]["data"]["rows.csv"]["hash"]
    (here.folder / "rows.csv").write_text("333")
    text = (here.folder / "study.yaml").read_text().replace("study: s", "study: u")
    (here.folder / "study.yaml").write_text(text)
    here.run("create-study", "study.yaml")
    here.run("confirm", "u", "--top", "0", "--from-study", "s", "--seeds", "2")
    here.run("worker", "u")
    found = here.json("confirm", "u", "--show")["differs"]
    assert list(found) == ["data rows.csv"]
    assert found["data rows.csv"]["search"] == [own[:16]]
    assert found["data rows.csv"]["replicates"] != [own[:16]]
