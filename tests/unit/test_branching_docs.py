"""The table in docs/tiers-and-populations.md is what the benchmark's runs add up to."""

import json
from pathlib import Path

from tests.benchmarks.branching import summarise

ROOT = Path(__file__).parents[2]


def test_the_table_is_that_of_the_runs() -> None:
    lines = (ROOT / "tests/benchmarks/results/branching.jsonl").read_text().splitlines()
    table = "\n".join(summarise([json.loads(line) for line in lines]))
    assert table in (ROOT / "docs/tiers-and-populations.md").read_text()
