"""The tables of the docs that are generated from declarations in the code; ``make docs-tables`` rewrites them.

A table stands below a line ``<!-- table: NAME -->``, up to the next empty line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from hpotool.server.metrics import METRICS
from hpotool.study.file.algorithms import PRUNERS, SAMPLERS, Row
from hpotool.study.occasion import OCCASIONS
from hpotool.study.outcome import COUNTED, Outcome

DOCS = Path(__file__).parents[1] / "docs"
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n)(?:\|.*\n)*")
_TIMES = {0: "–", 1: "retried once"}
KNOWN = [outcome for outcome in Outcome if outcome is not Outcome.UNKNOWN]


def outcomes() -> Iterator[str]:
    """When an attempt has which outcome."""
    yield from ("| outcome | when |", "|---|---|")
    for outcome in KNOWN:
        yield f"| `{outcome.value}` | {outcome.facts.meaning} |"


def consequences() -> Iterator[str]:
    """What follows from each outcome."""
    yield from ("| outcome | Optuna's state | consequence |", "|---|---|---|")
    for outcome in KNOWN:
        yield f"| {outcome.value} | {outcome.facts.state} | {_what_follows(outcome)} |"


def _what_follows(outcome: Outcome) -> str:
    facts = outcome.facts
    if facts.hands_back:
        return "requeued at once, uncounted"
    return "–" if facts.retries is None else _TIMES.get(facts.retries, f"retried up to {facts.retries} times")


def retries() -> Iterator[str]:
    """The keys of ``retry``."""
    yield from ("| key | which trials are retried | default |", "|---|---|---|")
    for outcome, default in COUNTED.items():
        yield f"| `{outcome.value}` | {outcome.facts.after_failure} | {default} |"


def samplers() -> Iterator[str]:
    """The samplers with their keys."""
    yield from _algorithms(SAMPLERS)


def pruners() -> Iterator[str]:
    """The pruners with their keys."""
    yield from _algorithms(PRUNERS)


def _algorithms(rows: Mapping[str, Row]) -> Iterator[str]:
    yield from ("| name | keys |", "|---|---|")
    for name, row in rows.items():
        keys = [f"`{key}`" + (" (required)" if about.required else "") for key, about in row.keys.items()]
        yield f"| `{name}`{' (default)' if row.is_default else ''} | {', '.join(keys) or '–'} |"
    yield "| `module:Class` | the arguments of its constructor |"


def occasions() -> Iterator[str]:
    """What people can be told."""
    yield from ("| event | when |", "|---|---|")
    for name, occasion in OCCASIONS.items():
        yield f"| `{name}` | {occasion.meaning} |"


def metrics() -> Iterator[str]:
    """What ``/metrics`` shows."""
    yield from ("| metric | type | labels | meaning |", "|---|---|---|---|")
    for name, declared in METRICS.items():
        labels = ", ".join(f"`{label}`" for label in declared.labels)
        yield f"| `{name}` | {declared.kind} | {labels} | {declared.means.rstrip('.')} |"


TABLES = {
    "metrics": metrics,
    "occasions": occasions,
    "outcomes": outcomes,
    "consequences": consequences,
    "retries": retries,
    "samplers": samplers,
    "pruners": pruners,
}


def with_tables(text: str) -> str:
    """``text`` with its tables as the code has them now."""
    return _TABLE.sub(lambda found: found[1] + "".join(f"{line}\n" for line in TABLES[found[2]]()), text)


def main() -> None:
    """Write the tables of every document."""
    for document in DOCS.glob("*.md"):
        document.write_text(with_tables(document.read_text()))


if __name__ == "__main__":
    main()
