"""CONTRIBUTING.md and ``make help`` are true of the tree."""

import re
import subprocess
from pathlib import Path

from hpotool.storage.database.queries import sections

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
NAMED = sorted({each for each in re.findall(r"`([\w./]+)`", TEXT) if "/" in each})
TARGETS = re.findall(r"^([a-z][a-z -]*):(?!=| export)", MAKEFILE, re.MULTILINE)


def test_each_path_exists() -> None:
    assert len(NAMED) > 50
    assert [
        path for path in NAMED if not any((folder / path).exists() for folder in (ROOT, ROOT / "hpotool"))
    ] == []


def test_each_room_is_listed() -> None:
    listed = set(re.findall(r"^\| `([\w/]+)/` \|", TEXT, re.MULTILINE))
    rooms = {
        str(init.parent.relative_to(ROOT / "hpotool"))
        for folder in ("worker", "storage", "study")
        for init in (ROOT / "hpotool" / folder).glob("*/__init__.py")
    }
    assert rooms - listed == set()


def test_the_commands_name_what_there_is() -> None:
    fault, statement = re.search(r'-k "([\w.]+)-\w+"', TEXT), re.search(r"database\.queries (\w+)", TEXT)
    assert fault is not None
    assert statement is not None
    assert f'"{fault[1]}"' in (ROOT / "tests" / "faults" / "test_fault_matrix.py").read_text()
    assert statement[1] in sections()
    mentioned = set(re.findall(r"`make ([\w-]+)`", TEXT))
    assert mentioned <= {name for line in TARGETS for name in line.split()}


def test_help_lists_every_target() -> None:
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    listed = [line.split("  ")[0].removeprefix("make ") for line in shown.splitlines()]
    assert listed == TARGETS, "end the target's line in the Makefile with '## what it does'"
    assert all(len(line.split("  ", 1)[1].strip()) > 5 for line in shown.splitlines())
