"""Studies of tests/cases that run commands, as a person runs them: the installed command line, real workers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command_line import ROOT, CommandLine


class Case:
    """A folder of tests/cases, copied to where its study runs."""

    def __init__(self, hpotool: CommandLine, folder: Path, name: str) -> None:
        shutil.copytree(ROOT / "tests" / "cases" / name, folder)
        self.study = name.replace("_", "-")
        self.folder = folder
        self.hpotool = CommandLine(hpotool.url, folder)

    def run(self, **environment: str) -> list[dict[str, Any]]:
        """Its trials, when a worker has run it."""
        here = CommandLine(self.hpotool.url, self.folder, environment)
        here.run("create-study", "study.yaml")
        here.run("worker", "--study", self.study)
        found: list[dict[str, Any]] = here.json("trials", "--study", self.study)
        return found

    def change(self, old: str, new: str, file: str = "study.yaml") -> None:
        text = (self.folder / file).read_text()
        assert old in text
        (self.folder / file).write_text(text.replace(old, new))

    def arguments(self) -> list[str]:
        """What the commands of its trials say they got, in order."""
        numbers = (str(trial["number"]) for trial in self.hpotool.json("trials", "--study", self.study))
        return [
            self.hpotool.run("logs", "--study", self.study, number).stdout.splitlines()[0] for number in numbers
        ]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        (
            "flag_lost_before_absent_pair",
            ["['--lr', '0.5', '--nesterov']", "['--lr', '0.5', '--nesterov', '--betas', '0.9', '0.95']"],
        ),
        ("switch_lost_before_optional_flag", ["['--lr', '0.5', '-v', '--amp']", "['--lr', '0.5', '-v']"]),
    ],
)
def test_no_option_is_lost_with_what_is_not_its_own(
    hpotool: CommandLine, tmp_path: Path, name: str, arguments: list[str]
) -> None:
    case = Case(hpotool, tmp_path / "here", name)
    case.run()
    assert case.arguments() == [f"ARGV {shown}" for shown in arguments]


def test_a_last_line_of_any_length_is_the_result(hpotool: CommandLine, tmp_path: Path) -> None:
    case = Case(hpotool, tmp_path / "here", "last_line_longer_than_64_kib")
    [trial] = case.run()
    assert trial["values"] == {"loss": 0.25}


def test_parameters_that_would_be_one_variable_are_refused_and_letters_are_letters(
    hpotool: CommandLine, tmp_path: Path
) -> None:
    case = Case(hpotool, tmp_path / "here", "parameters_sharing_a_variable")
    for command in ("check", "create-study"):
        refused = case.hpotool.run(command, "study.yaml", code=2).stderr
        for other in ("model-lr", "Model_LR"):
            assert f"'model.lr' and '{other}' would share the command's environment variable" in refused
        assert "η" not in refused
    case.change("  model-lr: {float: [100, 200]}\n  Model_LR: {float: [1000, 2000]}\n", "")
    [trial] = case.run()
    assert trial["values"] == {"loss": trial["params"]["model.lr"]}
    told = case.arguments()[0]
    assert f"'HPOTOOL_PARAM_Η': '{trial['params']['η']!r}'" in told
    assert f"'HPOTOOL_PARAM_Θ': '{trial['params']['θ']!r}'" in told


@pytest.mark.parametrize("duplicates", ["skip", "replicate"])
def test_a_step_is_one_point_however_it_is_written(hpotool: CommandLine, tmp_path: Path, duplicates: str) -> None:
    case = Case(hpotool, tmp_path / "here", "stepped_float_is_two_points")
    case.change("duplicates: skip", f"duplicates: {duplicates}")
    case.hpotool.run("create-study", "study.yaml")
    (case.folder / "points.csv").write_text("dropout\n0.30000000000000004\n")
    for point in ("dropout=0.3", "points.csv"):
        case.hpotool.run("enqueue", "--study", case.study, point)
    one, other = case.run()
    assert one["params"] == other["params"] == {"dropout": 0.3}
    assert (one["values"] == other["values"]) == (duplicates == "skip")


def test_argparse_takes_a_small_negative_number(hpotool: CommandLine, tmp_path: Path) -> None:
    case = Case(hpotool, tmp_path / "here", "negative_exponent_for_argparse")
    case.change(
        "parser.parse_args()", 'parser.parse_args(["--shift", os.environ["HPOTOOL_PARAM_SHIFT"]])', "train.py"
    )
    case.change("import json", "import json\nimport os", "train.py")
    case.change("print(", "parser.parse_args()\nprint(", "train.py")
    assert [trial["values"] for trial in case.run()] == [{"loss": 0.00001}, {"loss": 0.0001}]


def test_a_command_reports_with_a_long_temporary_folder(hpotool: CommandLine, tmp_path: Path) -> None:
    case = Case(hpotool, tmp_path / "here", "long_tmpdir")
    scratch = tmp_path / "/".join(["some-research-group"] * 5)
    scratch.mkdir(parents=True)
    assert [trial["values"] for trial in case.run(TMPDIR=str(scratch))] == [{"loss": 1.0}] * 2


def test_an_account_without_a_name_can_create_and_enqueue(hpotool: CommandLine, tmp_path: Path) -> None:
    nameless = CommandLine(hpotool.url, tmp_path, dict.fromkeys(("LOGNAME", "USER", "LNAME", "USERNAME"), ""))
    site = tmp_path / "site"
    site.mkdir()
    # As in a container that runs as a user id of its own: the account database does not know it.
    (site / "sitecustomize.py").write_text("import os\nos.getuid = lambda: 2**31 - 7\n")
    nameless = CommandLine(hpotool.url, tmp_path, {**nameless.environment, "PYTHONPATH": str(site)})
    point = ["--study", "s", "--objective", "m:f", "--metric", "v:minimize", "--param", "kind=choice(no, 1:30)"]
    nameless.run("create-study", *point)
    nameless.run("enqueue", "--study", "s", "kind=no")
    [trial] = nameless.json("trials", "--study", "s")
    assert trial["state"] == "WAITING"
    events = json.dumps(nameless.json("events", "--study", "s"))
    assert "create-study by somebody@" in events
    assert "enqueue by somebody@" in events
