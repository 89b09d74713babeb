"""The guarantees, and the pages that promise something of their own, name their tests; those tests exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in ("guarantees", "tracking", "notifications")}


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_is_named_is_in_the_file_that_is_named_next(page: str) -> None:
    named, found, text = set[str](), set[str](), PAGES[page]
    waiting = set[str]()
    for name, label, link in re.findall(r"`(test_\w+)`|\[([^\]]*)\]\((\.\./tests/[^)#]+\.py)\)", text):
        if name:
            named.add(name)
            waiting.add(name)
            continue
        assert Path(link).name == label or not label.endswith(".py"), f"{label} leads to {link}"
        tests = (ROOT / "docs" / link).read_text()
        found |= {name for name in waiting if f"def {name}(" in tests}
        waiting.clear()

    assert len(named) > (8 if page == "guarantees" else 2)
    assert sorted(named - found) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", PAGES[page]) if "://" not in link]

    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
