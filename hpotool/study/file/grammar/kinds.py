"""The kinds of values in a study file: each reads a node, writes it back, and has a JSON schema.

``read`` never raises: it records problems and returns BROKEN, so that one pass finds all of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hpotool.study.file.meant import say_meant
from hpotool.study.spec import defaults_of
from hpotool.study.units import format_duration, format_size, parse_duration, parse_size
from hpotool.study.yaml.document import Entry, Node, Problems, did_you_mean

_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")


class Broken:
    """Returned by a reader that recorded a problem."""


BROKEN = Broken()


class Kind(Protocol):
    """One kind of value."""

    def read(self, node: Node, problems: Problems) -> Any:
        """The value of ``node``, or BROKEN after recording the problem."""

    def write(self, value: Any) -> Any:
        """JSON data that ``read`` reads back as ``value``; None if a study file leaves the key out."""

    def json_schema(self) -> dict[str, Any]:
        """The JSON schema for editors."""


def describe(node: Node) -> str:
    """``node`` as shown in a message."""
    content = node.content
    if isinstance(content, dict):
        return "a mapping"
    if isinstance(content, list):
        return "a list"
    if content is None:
        return "nothing"
    if isinstance(content, bool):
        return str(content).lower()
    text = repr(content)
    return text if len(text) <= 60 else f"{text[:57]}…"


def reject(node: Node, expected: str, problems: Problems, hint: str = "") -> Broken:
    """Note that something else was expected in place of ``node``."""
    problems.add(node.place, f"expected {expected}, got {describe(node)}{hint}")
    return BROKEN


class Plain:
    """A kind whose values are plain JSON data."""

    def write(self, value: Any) -> Any:
        """The value itself."""
        return value


@dataclass(frozen=True)
class Text:
    """Text. ``check`` returns the value that the text stands for, or raises ValueError with a sentence."""

    what: str
    check: Callable[[str], Any] = str
    pattern: str | None = None  # only for editors; ``check`` decides
    format: Callable[[Any], str] = str  # the text that stands for a value

    def read(self, node: Node, problems: Problems) -> Any:
        """The checked text; a number is not accepted as text."""
        if not isinstance(node.content, str) or not node.content:
            return reject(node, self.what, problems, self._quotes(node))
        try:
            return self.check(node.content)
        except ValueError as error:
            problems.add(node.place, str(error))
            return BROKEN

    def _quotes(self, node: Node) -> str:
        """A hint to quote a number or boolean, if that would be valid."""
        if not isinstance(node.content, (bool, int, float)):
            return ""
        try:
            self.check(describe(node))
        except ValueError:
            return ""
        return f'; to make it text, put it in quotes: "{describe(node)}"'

    def write(self, value: Any) -> str | None:
        """The text that stands for ``value``."""
        return None if value is None else self.format(value)

    def json_schema(self) -> dict[str, Any]:
        """A string, with its pattern if there is one."""
        return {"type": "string"} | ({"pattern": self.pattern} if self.pattern else {})


_DURATION_WHAT = "a duration with a unit, like 90s, 30m, 12h or 1h30m"
_SIZE_WHAT = "a size with a unit, like 512MB, 2GB or 1.5GiB"
DURATION = Text(_DURATION_WHAT, parse_duration, r"^(\d+(\.\d+)?\s*[dhms]\s*)+$", format_duration)
SIZE = Text(_SIZE_WHAT, parse_size, r"^\d+(\.\d+)?\s*([KMGT]i?B|B)$", format_size)


@dataclass(frozen=True)
class Number(Plain):
    """A finite number within bounds; ``whole`` allows no fraction."""

    whole: bool = False
    low: float | None = None
    high: float | None = None
    above: float | None = None

    def read(self, node: Node, problems: Problems) -> Any:
        """The number, as int if ``whole``, else as float."""
        content = node.content
        if isinstance(content, bool) or not isinstance(content, (int, float)) or not math.isfinite(content):
            hint = "; remove the quotes" if isinstance(content, str) and _NUMBER.fullmatch(content) else ""
            hint = ", which is not finite" if isinstance(content, float) else hint
            return reject(node, self._what(), problems, hint)
        if self.whole and content != int(content):
            return reject(node, self._what(), problems)
        outside = (
            (self.low is not None and content < self.low)
            or (self.high is not None and content > self.high)
            or (self.above is not None and content <= self.above)
        )
        if outside:
            return reject(node, self._what(), problems)
        return int(content) if self.whole else float(content)

    def _what(self) -> str:
        what = "a whole number" if self.whole else "a number"
        if self.low is not None and self.high is not None:
            return f"{what} from {self.low:g} to {self.high:.10g}"
        if self.low is not None:
            return f"{what}, {self.low:g} or more"
        if self.above is not None:
            return f"{what} above {self.above:g}"
        return what

    def json_schema(self) -> dict[str, Any]:
        """A number or integer with its bounds."""
        bounds = {"minimum": self.low, "maximum": self.high, "exclusiveMinimum": self.above}
        return {"type": "integer" if self.whole else "number"} | {k: v for k, v in bounds.items() if v is not None}


@dataclass(frozen=True)
class Flag(Plain):
    """true or false."""

    def read(self, node: Node, problems: Problems) -> Any:
        """The boolean; YAML 1.1's yes, no, on and off are text."""
        if isinstance(node.content, bool):
            return node.content
        return reject(node, "true or false", problems)

    def json_schema(self) -> dict[str, Any]:
        """A boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True)
class OneOf(Plain):
    """One of several words."""

    words: tuple[str, ...]

    def read(self, node: Node, problems: Problems) -> Any:
        """The word; a near miss gets a suggestion."""
        if isinstance(node.content, str) and node.content in self.words:
            return node.content
        hint = did_you_mean(node.content, self.words) if isinstance(node.content, str) else ""
        if "did you mean" not in hint:
            hint = ""
        expected = f"{', '.join(self.words[:-1])} or {self.words[-1]}"
        return reject(node, expected, problems, hint)

    def json_schema(self) -> dict[str, Any]:
        """An enumeration."""
        return {"enum": list(self.words)}


@dataclass(frozen=True)
class Anything(Plain):
    """Any JSON scalar except numbers that are not finite."""

    def read(self, node: Node, problems: Problems) -> Any:
        """The scalar as it is."""
        content = node.content
        if isinstance(content, (dict, list)) or (isinstance(content, float) and not math.isfinite(content)):
            return reject(node, "text, a finite number, true, false or null", problems)
        return content

    def json_schema(self) -> dict[str, Any]:
        """Every scalar type."""
        return {"type": ["string", "number", "boolean", "null"]}


@dataclass(frozen=True)
class Items:
    """A list of one kind; ``alone`` also accepts a single value as a list of one."""

    kind: Kind
    what: str
    at_least: int = 0
    alone: bool = False

    def read(self, node: Node, problems: Problems) -> Any:
        """The items as a tuple; broken ones are included as BROKEN, so that the others can be checked."""
        if not isinstance(node.content, list):
            if self.alone and not isinstance(node.content, dict):
                return (self.kind.read(node, problems),)
            return reject(node, f"a list of {self.what}", problems)
        if len(node.content) < self.at_least:
            got = "a single one" if node.content else "an empty one"
            problems.add(node.place, f"expected a list of {self.what}, got {got}")
            return BROKEN
        return tuple(self.kind.read(item, problems) for item in node.content)

    def write(self, value: Any) -> Any:
        """The items as a list."""
        return None if value is None else [self.kind.write(item) for item in value]

    def json_schema(self) -> dict[str, Any]:
        """An array, or also a single item."""
        array: dict[str, Any] = {"type": "array", "items": self.kind.json_schema()}
        if self.at_least:
            array["minItems"] = self.at_least
        return {"anyOf": [array, self.kind.json_schema()]} if self.alone else array


@dataclass(frozen=True)
class Table:
    """Names chosen by the author, each with a value of one kind, in order.

    Written as a mapping, or as a list of one-key mappings for stores that do not keep the order of keys.
    """

    kind: Kind
    name: Text
    what: str
    at_least: int = 0

    def read(self, node: Node, problems: Problems) -> Any:
        """The values by name; broken ones are included as BROKEN."""
        entries = self._entries(node, problems)
        if entries is None:
            return BROKEN
        if not node.content and self.at_least:
            problems.add(node.place, f"expected {self.what}, got none")
            return BROKEN
        values = {}
        for key, entry in entries.items():
            name = self.name.read(Node(entry.key_place, key), problems)
            value = self.kind.read(entry.value, problems)
            if name is not BROKEN:
                values[name] = value
        return values

    def _entries(self, node: Node, problems: Problems) -> dict[str, Entry] | None:
        if isinstance(node.content, dict):
            return node.content
        if node.content is None and not self.at_least:
            return {}
        if not isinstance(node.content, list):
            problems.add(node.place, f"expected {self.what}, got {describe(node)}")
            return None
        entries: dict[str, Entry] = {}
        for item in node.content:
            if not isinstance(item.content, dict) or len(item.content) != 1:
                problems.add(item.place, f"expected {self.what}, got {describe(item)}")
                continue
            [(key, entry)] = item.content.items()
            if key in entries:
                problems.add(entry.key_place, f"duplicate {key!r}; keep one")
            entries.setdefault(key, entry)
        return entries

    def write(self, value: Any) -> Any:
        """The values by name; None if there are none."""
        return {name: self.kind.write(inner) for name, inner in value.items()} or None

    def json_schema(self) -> dict[str, Any]:
        """An object of any keys, or an array of objects with one key each."""
        mapping: dict[str, Any] = {"type": "object", "additionalProperties": self.kind.json_schema()}
        if self.at_least:
            mapping["minProperties"] = self.at_least
        item = mapping | {"minProperties": 1, "maxProperties": 1}
        return {"anyOf": [mapping, {"type": "array", "items": item, "minItems": self.at_least}]}


@dataclass(frozen=True)
class Key:
    """One key of a record. Reading, storing, comparing and the JSON schema are all derived from it.

    Attributes:
        kind: the kind of its value
        meaning: its meaning, with the default in brackets
        refused: why the value cannot change in an existing study; None if it can
        decides_values: trials with another value measured something else
        is_silent: not stored while it has its default. Needed for keys added after the first release, so that
            older studies keep their hash.
    """

    kind: Kind
    meaning: str
    required: bool = False
    example: str | None = None
    refused: str | None = None
    decides_values: bool = False
    is_silent: bool = False


@dataclass(frozen=True)
class Record:
    """A mapping with known keys. ``short`` is the key that a scalar by itself sets: ``sampler: tpe``."""

    what: str
    keys: Mapping[str, Key]
    example: str
    short: str | None = None
    ignored_prefix: str | None = None

    def read(self, node: Node, problems: Problems) -> Any:
        """The given values by key; broken ones are included as BROKEN."""
        content = node.content
        if self.short is not None and not isinstance(content, (dict, list)) and content is not None:
            content = {self.short: Entry(node.place, node)}
        if not isinstance(content, dict):
            shape = "list" if self.example.startswith("[") else "mapping"
            return reject(node, f"{self.what} as a {shape}, like {self.example}", problems)
        values = {}
        for name, entry in content.items():
            if self.ignored_prefix and name.startswith(self.ignored_prefix):
                continue
            if name not in self.keys:
                meant = say_meant(name, self.keys)
                problems.add_unknown_key(entry.key_place, f"unknown key {name!r} in {self.what}{meant}")
                continue
            values[name] = self.keys[name].kind.read(entry.value, problems)
        for name, key in self.keys.items():
            if key.required and name not in content:
                example = f", like {key.example}" if key.example else ""
                problems.add(node.place, f"{self.what} has no {name!r}; add {key.meaning}{example}")
        return values

    def write(self, value: Any) -> dict[str, Any]:
        """The keys to write; ``value`` has an attribute with each key's name."""
        defaults = defaults_of(type(value))
        written = {
            name: key.kind.write(getattr(value, name))
            for name, key in self.keys.items()
            if not key.is_silent or getattr(value, name) != defaults[name]
        }
        return {name: inner for name, inner in written.items() if inner is not None}

    def json_schema(self) -> dict[str, Any]:
        """An object of exactly these keys, or the short form."""
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {
                name: key.kind.json_schema() | {"description": key.meaning} for name, key in self.keys.items()
            },
            "additionalProperties": False,
        }
        if self.ignored_prefix:
            schema["patternProperties"] = {f"^{self.ignored_prefix}": {}}
        required = [name for name, key in self.keys.items() if key.required]
        if required:
            schema["required"] = required
        if self.short is None:
            return schema
        return {"anyOf": [schema, self.keys[self.short].kind.json_schema()]}
