"""The kinds of value that only single keys of the study file have, and what a name in it may look like."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hpotool.study.file.grammar.kinds import BROKEN, Key, Number, Plain, Record, Table, Text, reject
from hpotool.study.spec import ConstraintSpec, KeepSpec
from hpotool.study.yaml.document import Node, Problems

LARGEST_COUNT = 2**31 - 1  # that a column of the database holds


class Count(Number):
    """A whole number of things."""

    def read(self, node: Node, problems: Problems) -> Any:
        """The number, which the database can store."""
        count = super().read(node, problems)
        if count is not BROKEN and count > LARGEST_COUNT:
            return reject(node, f"a whole number of at most {LARGEST_COUNT}", problems)
        return count


_COUNT = Count(whole=True, low=0)
POSITIVE = Count(whole=True, low=1)
MORE_THAN_ZERO = Number(above=0)
_CONSTRAINT = re.compile(r"(<=|>=)\s*(\S+)")


def check_study_name(name: str) -> str:
    """Return ``name`` if it is safe as a folder, in a URL, on a command line and in the database.

    Raises:
        ValueError: it is not safe.
    """
    if len(name) > 100:
        raise ValueError(f"the study's name has {len(name)} characters; use at most 100")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        fixed = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")
        fix = f", like {fixed}" if fixed else ""
        raise ValueError(
            f"the study's name {name!r} must be letters, digits and . _ -, starting with a letter or digit{fix}"
        )
    return name


def check_metric_name(name: str) -> str:
    """Return a metric's name: one printable word.

    Raises:
        ValueError: it is none.
    """
    if any(character.isspace() or not character.isprintable() for character in name) or len(name) > 200:
        raise ValueError(f"the name {name!r} must be one word without spaces, like accuracy or val/loss")
    return name


def check_regex(pattern: str) -> str:
    """Return a regular expression with one group.

    Raises:
        ValueError: it is none.
    """
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression ({error}); correct it") from None
    if groups != 1:
        raise ValueError(
            rf"{pattern!r} must have one group around the number, like loss=([-+.e\d]+), not {groups}"
        )
    return pattern


def check_environment_name(name: str) -> str:
    """Return the name of an environment variable that hpotool does not set itself.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise ValueError(f"{name!r} cannot name an environment variable; use letters, digits and _")
    if name.startswith("HPOTOOL_") or name == "CUDA_VISIBLE_DEVICES":
        raise ValueError(f"{name!r} is set by hpotool itself; choose another name")
    return name


def one_word(what: str, example: str, more: str = "") -> Callable[[str], str]:
    """Return a check that a name is one word of letters, digits, ``. _ -`` and the characters in ``more``."""

    def check(name: str) -> str:
        if not re.fullmatch(rf"[\w.{more}-]{{1,100}}", name):
            signs = " ".join(f"._-{more}")
            raise ValueError(f"{what} {name!r} must be one word of letters, digits and {signs}, like {example}")
        return name

    return check


METRIC_NAME = Text("a metric's name", check_metric_name)
TAG_NAME = Text("a tag's name", one_word("the tag's name", "owner"))
POOL_NAME = Text("a pool's name", one_word("the pool's name", "gpus"))
OWNER_NAME = Text("a name", one_word("the owner", "ann", "@+"))


class Constraint:
    """``"<= 50"``: a bound, without the name of the value."""

    def read(self, node: Node, problems: Problems) -> Any:
        """See `Kind`."""
        match = _CONSTRAINT.fullmatch(node.content.strip()) if isinstance(node.content, str) else None
        try:
            bound = float(match[2]) if match else float("nan")
        except ValueError:
            bound = float("nan")
        if match is None or not abs(bound) < float("inf"):
            return reject(node, 'a bound in quotes, like "<= 50" or ">= 0.9"', problems)
        return ConstraintSpec("", "<=" if match[1] == "<=" else ">=", bound)

    def write(self, value: Any) -> str:
        """See `Kind`."""
        return f"{value.operator} {value.bound!r}"

    def json_schema(self) -> dict[str, Any]:
        """See `Kind`."""
        return {"type": "string", "pattern": _CONSTRAINT.pattern}


class Target:
    """A value that is good enough: a number, or with several metrics a mapping of metrics to numbers."""

    _table = Table(Number(), METRIC_NAME, "metrics with their targets, like {loss: 0.1}", at_least=1)

    def read(self, node: Node, problems: Problems) -> Any:
        """See `Kind`."""
        if isinstance(node.content, (dict, list)):
            return self._table.read(node, problems)
        return Number().read(node, problems)

    def write(self, value: Any) -> Any:
        """See `Kind`."""
        return self._table.write(value)

    def json_schema(self) -> dict[str, Any]:
        """See `Kind`."""
        return {"anyOf": [Number().json_schema(), self._table.json_schema()]}


class _CountOrAll:
    """A count, or ``all``, which reads as None."""

    def read(self, node: Node, problems: Problems) -> Any:
        """See `Kind`."""
        return None if node.content == "all" else _COUNT.read(node, problems)

    def write(self, value: Any) -> Any:
        """See `Kind`."""
        return "all" if value is None else value

    def json_schema(self) -> dict[str, Any]:
        """See `Kind`."""
        return {"anyOf": [_COUNT.json_schema(), {"const": "all"}]}


class Keep:
    """``all``, ``best 3``, or ``{best: 3, last: 2}``."""

    _record = Record(
        "keep",
        example="{best: 3}",
        keys={
            "best": Key(
                _CountOrAll(), "the number of best finished trials whose checkpoints are kept, or all (3)"
            ),
            "last": Key(POSITIVE, "the number of checkpoints kept for each trial (2)"),
        },
    )

    def read(self, node: Node, problems: Problems) -> Any:
        """See `Kind`."""
        if isinstance(node.content, str):
            match = re.fullmatch(r"best\s+(\d{1,9})|all", node.content.strip())
            if match is None:
                return reject(node, "all, best 3, or {best: 3, last: 2}", problems)
            return KeepSpec(best=int(match[1]) if match[1] else None)
        values = self._record.read(node, problems)
        return values if values is BROKEN or BROKEN in values.values() else KeepSpec(**values)

    def write(self, value: Any) -> Any:
        """See `Kind`."""
        return self._record.write(value)

    def json_schema(self) -> dict[str, Any]:
        """See `Kind`."""
        return {"anyOf": [{"type": "string", "pattern": r"^(all|best\s+\d+)$"}, self._record.json_schema()]}


class Holdout(Plain):
    """A data set's name, or the number of a fold."""

    def read(self, node: Node, problems: Problems) -> Any:
        """See `Kind`."""
        content = node.content
        is_number = isinstance(content, int) and not isinstance(content, bool) and content >= 0
        is_name = isinstance(content, str) and bool(content) and "," not in content and content.isprintable()
        if is_number or is_name:
            return content
        return reject(node, "the name of a data set, without commas, or the number of a fold", problems)

    def json_schema(self) -> dict[str, Any]:
        """See `Kind`."""
        return {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[^,]+$"}]}
