"""The Grafana board, the alert rules and the page about them name metrics and labels that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpotool.server.metrics import METRICS
from hpotool.study.outcome import Outcome

DOCS = Path(__file__).parents[2] / "docs"
FOLDER = DOCS / "monitoring"
BOARD = json.loads((FOLDER / "grafana.json").read_text())
RULES = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
STATES = {
    "hpotool_workers": {"alive", "silent", "gone"},
    "hpotool_trials": {"waiting", "running", "complete", "pruned", "failed"},
    "hpotool_study_state": {"running", "paused", "draining", "stopped", "done"},
}


def expressions() -> Iterator[tuple[str, str]]:
    for panel in BOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for rule in RULES:
        yield rule["alert"], rule["expr"]


def mistakes(expression: str) -> list[str]:
    """Metrics that are not declared, labels that they do not have, and values that these never take."""
    found = []
    for name, selector in re.findall(r"\b(hpotool_\w+)(?:\{([^}]*)\})?", expression):
        declared = METRICS.get(name)
        if declared is None:
            found.append(f"{name} does not exist")
            continue
        for label, value in re.findall(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"', selector):
            found += _mistakes_of(name, declared.labels, label, value)
    grouped = re.findall(r"\b(?:by|on) \(([^)]*)\)", expression)
    labels = {label for declared in METRICS.values() for label in declared.labels}
    return found + [f"no metric has {each}" for each in grouped if each.strip() not in labels]


def _mistakes_of(name: str, labels: Any, label: str, value: str) -> list[str]:
    if label not in labels and not (label == "quantile" and METRICS[name].kind == "summary"):
        return [f"{name} has no label {label}"]
    allowed = STATES.get(name, set()) if label == "state" else set()
    if label == "outcome":
        allowed = {outcome.value for outcome in Outcome}
    return [f"{name} is never {each}" for each in value.split("|") if allowed and each not in allowed]


@pytest.mark.parametrize(("title", "expression"), list(expressions()))
def test_every_expression_names_what_there_is(title: str, expression: str) -> None:
    assert re.search(r"\bhpotool_", expression), title
    assert mistakes(expression) == []


def test_the_check_can_fail() -> None:
    assert mistakes("hpotool_worker") == ["hpotool_worker does not exist"]
    assert mistakes('hpotool_workers{stat="alive"}') == ["hpotool_workers has no label stat"]
    assert mistakes('hpotool_workers{state=~"alive|dead"}') == ["hpotool_workers is never dead"]
    assert mistakes("sum by (queue) (hpotool_up)") == ["no metric has queue"]


def test_the_board_shows_every_metric_but_those_about_the_page() -> None:
    shown = {name for _, expression in expressions() for name in re.findall(r"\bhpotool_\w+", expression)}
    assert set(METRICS) - shown == {"hpotool_build_info", "hpotool_part_up"}


def test_panels_have_their_own_places_and_numbers() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_the_three_rules_say_what_to_do() -> None:
    assert [rule["alert"] for rule in RULES] == ["HpotoolDatabaseAway", "HpotoolNobodyWorks", "HpotoolTrialsFail"]
    for rule in RULES:
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in ("critical", "warning")


def test_the_page_lists_every_metric() -> None:
    page = (DOCS / "monitoring.md").read_text()
    listed = re.findall(r"^\| `(hpotool_\w+)` \|", page, re.M)
    assert listed == list(METRICS)
