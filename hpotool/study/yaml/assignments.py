"""Changes a document before it is read: ``--set key.key=value``, and keyword arguments in Python."""

from __future__ import annotations

from collections.abc import Sequence

from hpotool.errors import StudyFileError
from hpotool.study.yaml.document import Entry, Node, Place, Problems, from_plain, parse_yaml


def override(document: Node, assignments: Sequence[str], problems: Problems, typed: Place | None = None) -> Node:
    """``document`` with ``key.key=value`` assignments applied, the last one winning; ``typed`` is their place."""
    for assignment in assignments:
        place, (path, equals, text) = typed or Place(f"--set {assignment}"), assignment.partition("=")
        if not equals or not path.strip(". "):
            problems.add(place, "this sets nothing; write key=value, like budget.trials=400")
            continue
        try:
            value = parse_yaml(text, None).plain() if text.strip() else None
        except StudyFileError as error:
            problems.add(place, f"the value cannot be read: {error.problems[0].message}")
            continue
        document = assign(document, path.strip(), from_plain(value, place), problems)
    return document


def assign(node: Node, path: str, value: Node, problems: Problems) -> Node:
    """``node`` with ``value`` set at the ``key.key`` of ``path``."""
    content = node.content
    if content is None:
        content = {}
    if isinstance(content, str):  # the short form: `sampler: tpe` means `sampler: {name: tpe}`
        content = {"name": Entry(node.place, node)}
    if not isinstance(content, dict):
        problems.add(value.place, f"the value before .{path} has no keys; set the whole value")
        return node
    key, rest = _first_key(path, content)
    if rest:
        inner = content[key].value if key in content else Node(value.place, None)
        value = assign(inner, rest, value, problems)
    entry = Entry(content[key].key_place if key in content else value.place, value)
    return Node(node.place, {**content, key: entry})


def _first_key(path: str, content: dict[str, Entry]) -> tuple[str, str]:
    """The first key of ``path`` and the rest; an existing name that contains dots is recognized."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        key = ".".join(parts[:length])
        if key in content:
            return key, ".".join(parts[length:])
    return parts[0], ".".join(parts[1:])
