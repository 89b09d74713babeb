"""What the README names exists: files, commands, options."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from hpotool.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_heading_leads_to_one(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    missing = [
        f"{file}#{anchor}"
        for file, anchor in links
        if "://" not in file and anchor not in _anchors(page.parent / file if file else page)
    ]
    assert missing == []


def _anchors(page: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_exists(page: Path) -> None:
    wrong = []
    for line in re.findall(r"hpotool [a-z][^\n`|#)]*", page.read_text(encoding="utf-8")):
        words = line.split()[1:]
        command = COMMANDS.get(words[0])
        for word in words[1:]:
            command = getattr(command, "commands", {}).get(word, command)
        if command is None:
            # "hpotool runs studies" is prose; a line that begins with a command's name and is none is a mistake.
            wrong += [line] if line.startswith("hpotool") and "--" in line else []
            continue
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        options = [re.split(r"[=.,;:]", word)[0] for word in words if word.startswith("--")]
        wrong += [f"{option} in: {line}" for option in options if option not in known]
    assert wrong == []
