"""A document: data that remembers where each of its parts was written, so that every problem can name its place.

It is created from YAML, plain data or flags; ``--set`` can change it before it is read. Scalars follow YAML 1.2:
``1e-3`` is a number, and ``no``, ``on`` and ``1:30`` are text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Union

import yaml

from hpotool.errors import Problem, StudyFileError
from hpotool.study.doors import join_escapes
from hpotool.study.yaml.errors import describe_syntax

Scalar = Union[None, bool, int, float, str]  # noqa: UP007 -- evaluated at run time, on Python 3.10 too
_LARGEST = 50_000  # nodes, with aliases expanded: a few lines of nested aliases can stand for billions
_TOO_MANY = f"more than {_LARGEST} values, counting aliases; make it smaller"
_LONG = 20_000  # characters: longer files are read by libyaml, if PyYAML has it, which is ten times faster
_DEEPEST = 100  # levels: Python's own limit would depend on how deep the caller stands
_TOO_DEEP = "this is nested too deeply for a study; flatten it"
_LARGEST_INT = 2**63 - 1  # the range of Postgres's bigint and NumPy's integers


@dataclass(frozen=True)
class Place:
    """A place in the input: a file with line and column (from 1), or the name of a flag."""

    file: str | None = None
    line: int | None = None
    column: int | None = None

    @property
    def order(self) -> tuple[int, int, int]:
        """Sort key in reading order: the file first, then flags."""
        return (self.line is None, self.line or 0, self.column or 0)


@dataclass(frozen=True)
class Node:
    """One value of a document: a scalar, a list of nodes, or a mapping of names to entries."""

    place: Place
    content: Scalar | list[Node] | dict[str, Entry]

    def plain(self) -> object:
        """The value, without places."""
        if isinstance(self.content, dict):
            return {key: entry.value.plain() for key, entry in self.content.items()}
        if isinstance(self.content, list):
            return [node.plain() for node in self.content]
        return self.content


@dataclass(frozen=True)
class Entry:
    """The value of a mapping's key, and the place of the key."""

    key_place: Place
    value: Node


@dataclass
class Problems:
    """Collects problems, so that reading can continue after the first one.

    ``allows_unknown_keys``: for stored data, which was valid for the version of hpotool that wrote it, perhaps a
    newer one.
    """

    found: list[tuple[Place, str]] = field(default_factory=list)
    allows_unknown_keys: bool = False

    def add(self, place: Place, message: str) -> None:
        """Record one problem: a sentence that includes the correction."""
        self.found.append((place, message))

    def add_unknown_key(self, place: Place, message: str) -> None:
        """Record an unknown key."""
        if not self.allows_unknown_keys:
            self.add(place, message)

    def put(self, place: Place, message: str) -> None:
        """Record one problem, replacing all others recorded at its place."""
        self.found = [found for found in self.found if found[0] != place]
        self.add(place, message)

    def raise_if_any(self) -> None:
        """Raise all problems, without duplicates, in the order of the file.

        Raises:
            StudyFileError: there is at least one.
        """
        if self.found:
            ordered = sorted(dict.fromkeys(self.found), key=lambda found: found[0].order)
            raise StudyFileError(
                [Problem(message, place.file, place.line, place.column) for place, message in ordered]
            )


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """``; did you mean 'x'?`` if one of ``known`` is close to ``name``, else a list of all of them."""
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(known)}" if known else ""


_BREAKS = "\x85\u2028\u2029"


class _Loader(yaml.SafeLoader):
    """PyYAML's loader with the scalars of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 -- PyYAML's own way


class _Dumper(yaml.SafeDumper):
    """PyYAML's dumper, which quotes all text that YAML 1.1 or 1.2 would read as something else."""


_FastLoader: type[yaml.CSafeLoader] | None = None
if yaml.__with_libyaml__:  # also has the scalars of the other loader, because they share the table
    _FastLoader = type(
        "_FastLoader", (yaml.CSafeLoader,), {"yaml_implicit_resolvers": _Loader.yaml_implicit_resolvers}
    )

for _tag, _pattern, _first in [
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+0123456789."),
    ),
    ("merge", r"<<", ["<"]),
]:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


def format_yaml(data: object) -> str:
    """``data`` as YAML that ``parse_yaml``, and any other YAML reader, reads back as equal."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    if any(character in text for character in _BREAKS):  # PyYAML writes these unescaped, and reads line breaks
        text = yaml.dump(data, Dumper=_Dumper, sort_keys=False)
    return text


def parse_yaml(text: str, file: str | None) -> Node:
    """The document in ``text``.

    Raises:
        StudyFileError: it is not YAML, or has duplicate keys.
    """
    problems = Problems()
    node = _compose(text, file, problems)
    problems.raise_if_any()
    assert node is not None
    document = _Converter(file, problems).convert(node)
    problems.raise_if_any()
    return document


def parse_scalar(text: str) -> Scalar:
    """A single value, read as in a study file; unchanged if it is not a YAML scalar."""
    try:
        content = parse_yaml(text, None).content
    except StudyFileError:
        return text
    return text if isinstance(content, (dict, list)) else content


def _compose(text: str, file: str | None, problems: Problems) -> yaml.Node | None:
    if len(text) > _LONG and _FastLoader is not None:
        try:
            excess = _find_excess(text)
            if excess:
                problems.add(Place(file), excess)
                return None
            return yaml.compose(text, Loader=_FastLoader)
        except (yaml.YAMLError, UnicodeEncodeError):
            pass  # the pure Python reader gives the messages that `_explain` knows
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark, sentence = describe_syntax(error)
        problems.add(Place(file, mark.line + 1, mark.column + 1) if mark else Place(file), sentence)
    except yaml.reader.ReaderError as error:
        before = text[: error.position].split("\n")
        place = Place(file, len(before), len(before[-1]) + 1)
        problems.add(place, f"the character {chr(error.character)!r} is not allowed in YAML; remove it")
    except RecursionError:
        problems.add(Place(file), _TOO_DEEP)
    else:
        if node is None:
            sentence = "the file is empty; a study needs at least study, objective and metrics"
            problems.add(Place(file, 1, 1), sentence)
        return node
    return None


def _find_excess(text: str) -> str | None:
    """What the text has more of than a document may have: values, or levels, at which libyaml's stack overflows.

    Checked before any of them is kept.
    """
    assert _FastLoader is not None
    count, is_key, outer = 0, False, []
    for event in yaml.parse(text, Loader=_FastLoader):
        if isinstance(event, yaml.NodeEvent):
            count += not is_key
            if isinstance(event, yaml.CollectionStartEvent):
                outer.append((is_key, isinstance(event, yaml.MappingStartEvent)))
                is_key = outer[-1][1]
                if len(outer) > _DEEPEST:
                    return _TOO_DEEP
                continue
        elif isinstance(event, yaml.CollectionEndEvent):
            is_key, _ = outer.pop()
        if count > _LARGEST:
            return _TOO_MANY
        is_key = bool(outer) and outer[-1][1] and not is_key
    return None


class _Converter:
    """Turns PyYAML's nodes into ours: resolves anchors, types scalars, refuses duplicate keys."""

    def __init__(self, file: str | None, problems: Problems) -> None:
        self._file = file
        self._problems = problems
        self._scalars = _Loader("")
        self._open: set[int] = set()
        self._count = 0

    def convert(self, node: yaml.Node) -> Node:
        place = self._place(node)
        self._count += 1
        if id(node) in self._open:
            self._problems.add(place, "this alias (*) is inside its own anchor (&) and would never end; remove it")
            return Node(place, None)
        if self._count > _LARGEST or len(self._open) > _DEEPEST:
            self._problems.add(Place(self._file), _TOO_DEEP if len(self._open) > _DEEPEST else _TOO_MANY)
            self._problems.raise_if_any()
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return Node(place, [self.convert(item) for item in node.value])
            if isinstance(node, yaml.MappingNode):
                return Node(place, self._mapping(node))
            return Node(place, self._scalar(node))
        finally:
            self._open.discard(id(node))

    def _place(self, node: yaml.Node) -> Place:
        return Place(self._file, node.start_mark.line + 1, node.start_mark.column + 1)

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Entry]:
        own, merged = dict[str, Entry](), dict[str, Entry]()
        for key_node, value_node in node.value:
            place = self._place(key_node)
            if key_node.tag == "tag:yaml.org,2002:merge":
                merged = {**self._merged(value_node), **merged}
                continue
            key = self._key(key_node)
            if key in own:
                first = own[key].key_place
                self._problems.add(place, f"duplicate key {key!r}, first on line {first.line}; keep one")
                continue
            own[key] = Entry(place, self.convert(value_node))
        return {**merged, **own}

    def _key(self, node: yaml.Node) -> str:
        if isinstance(node, yaml.ScalarNode):
            return self._text(node)
        sentence = "a key must be a name, not a list or a mapping; put {braces} in quotes"
        self._problems.add(self._place(node), sentence)
        return ""

    def _merged(self, node: yaml.Node) -> dict[str, Entry]:
        merged: dict[str, Entry] = {}
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            content = self.convert(source).content
            if isinstance(content, dict):
                merged = {**content, **merged}
            else:
                self._problems.add(self._place(source), "'<<' takes a mapping, like <<: *name")
        return merged

    def _scalar(self, node: yaml.Node) -> Scalar:
        kind = _short_tag(node.tag)
        problem = f"{node.value!r} cannot be read as {kind}; remove the tag"
        try:
            if kind in ("!!str", "!!merge"):
                return self._text(node)
            if kind == "!!int":
                return self._int(node)
            if kind == "!!float":
                return float(re.sub(r"^([-+]?)\.(inf|nan)$", r"\1\2", str(node.value).lower()))
            if kind in ("!!bool", "!!null"):
                value: Scalar = self._scalars.construct_object(node)
                return value
            problem = f"the YAML tag {kind} is not supported in a study file; remove it"
        except (ValueError, KeyError):  # the tag is written out: !!int abc
            pass
        self._problems.add(self._place(node), problem)
        return None

    def _text(self, node: yaml.Node) -> str:
        try:
            return join_escapes(str(node.value))
        except UnicodeError:
            self._problems.add(
                self._place(node), "this text has a character that no database can store; remove it"
            )
            return ""

    def _int(self, node: yaml.Node) -> int | None:
        text = str(node.value)
        base = {"0x": 16, "0o": 8}.get(text[:2], 10)
        value = int(text[2:] if base != 10 else text, base) if len(text) < 400 else None
        if value is None or abs(value) > _LARGEST_INT:
            self._problems.add(self._place(node), "this number is too large; write one below 9.2e18")
            return None
        return value


def _short_tag(tag: str) -> str:
    return f"!!{tag.removeprefix('tag:yaml.org,2002:')}" if tag.startswith("tag:yaml.org,2002:") else tag


def from_plain(data: object, place: Place) -> Node:
    """A document of plain data, with ``place`` as the place of all its parts.

    Raises:
        StudyFileError: a text has a character that no database can store.
        TypeError: there is something else than texts, numbers, lists and mappings.
    """
    if isinstance(data, Mapping):
        return Node(
            place,
            {
                _storable_text(str(key), place): Entry(place, from_plain(value, place))
                for key, value in data.items()
            },
        )
    if isinstance(data, (list, tuple)):
        return Node(place, [from_plain(item, place) for item in data])
    if isinstance(data, str):
        return Node(place, _storable_text(data, place))
    if data is None or isinstance(data, (bool, int, float)):
        return Node(place, data)
    raise TypeError(f"a document cannot contain {type(data).__name__}")


def _storable_text(text: str, place: Place) -> str:
    try:
        return join_escapes(text)
    except UnicodeError:
        said = f"the text {text!r} has a character that no database can store; remove it"
        raise StudyFileError([Problem(said, place.file, place.line, place.column)]) from None
