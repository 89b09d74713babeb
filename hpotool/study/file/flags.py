"""Turns a study given as flags into the same document as a study file, so that both are validated in the same way.

``--param 'lr=float(1e-5, 1e-1, log)' --param 'drop=float(0, 0.5, step=0.1, when=booster:dart)'``
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpotool.errors import StudyFileError
from hpotool.study.file.reader import read_document
from hpotool.study.spec import StudySpec
from hpotool.study.yaml.assignments import override
from hpotool.study.yaml.document import (
    Entry,
    Node,
    Place,
    Problems,
    did_you_mean,
    from_plain,
    parse_scalar,
    parse_yaml,
)

_PARAMETER = re.compile(r"\s*(?P<name>[^=\s]+)\s*=\s*(?P<head>\w+)\s*\((?P<arguments>.*)\)\s*", re.DOTALL)
_PARAMETER_EXAMPLE = "like lr=float(1e-5, 1e-1, log) or booster=choice(gbtree, dart)"
_HEADS = ("float", "int", "choice", "const")
_REQUIRED = {
    "study": "--study NAME",
    "objective": "--objective module:function",
    "metrics": "--metric NAME:maximize",
}
_CONSTRAINT = re.compile(r"\s*(?P<name>[^\s<>=]+)\s*(?P<bound>[<>]=?.*)")


@dataclass(frozen=True)
class StudyFlags:
    """The flags of ``create-study`` as typed; None or empty if a flag was not given."""

    study: str | None = None
    objective: str | None = None
    command: str | None = None
    metrics: Sequence[str] = ()
    constraints: Sequence[str] = ()
    parameters: Sequence[str] = ()
    trials: str | None = None
    timeout: str | None = None
    sampler: str | None = None
    seed: str | None = None
    pruner: str | None = None


def read_study_flags(flags: StudyFlags, overrides: Sequence[str] = ()) -> StudySpec:
    """The study that ``flags`` describe, with ``key.key=value`` overrides applied.

    Raises:
        StudyFileError: the flags have mistakes; the error lists all of them, each with its flag.
    """
    problems = Problems()
    document = override(_document(flags, problems), overrides, problems)
    assert isinstance(document.content, dict)
    given = {"study": flags.study, "objective": flags.objective or flags.command, "metrics": flags.metrics}
    missing = [key for key in _REQUIRED if key not in document.content]
    for key in missing:
        if not given[key]:
            place = Place(_REQUIRED[key].split()[0])
            problems.add(place, f"this is required without a study file; write {_REQUIRED[key]}")
    if missing:
        problems.raise_if_any()
    return read_document(document, problems)


def _document(flags: StudyFlags, problems: Problems) -> Node:
    content: dict[str, Entry] = {}
    _put(content, ["study"], "--study", flags.study)
    _put(content, ["objective", "python"], "--objective", flags.objective)
    _put(content, ["objective", "timeout"], "--timeout", flags.timeout)
    if flags.command is not None:
        _put_command(content, flags.command, problems)
    for text in flags.metrics:
        name, _, direction = text.rpartition(":")
        if not name:
            problems.add(
                Place(f"--metric {text}"), "a metric needs a direction; write accuracy:maximize or loss:minimize"
            )
            continue
        if not _is_again(content, "metrics", name, f"--metric {text}", problems):
            _put(content, ["metrics", name], f"--metric {text}", direction)
    for text in flags.constraints:
        match = _CONSTRAINT.fullmatch(text)
        if match is None:
            problems.add(Place(f"--constraint {text}"), 'a constraint needs a bound; write "latency_ms <= 50"')
            continue
        if not _is_again(content, "constraints", match["name"], f"--constraint {text}", problems):
            _put(content, ["constraints", match["name"]], f"--constraint {text}", match["bound"])
    for text in flags.parameters:
        _put_parameter(content, text, problems)
    _put(content, ["budget", "trials"], "--trials", flags.trials, as_yaml=True)
    _put(content, ["sampler", "name"], "--sampler", flags.sampler)
    _put(content, ["sampler", "seed"], "--seed", flags.seed, as_yaml=True)
    _put(content, ["pruner", "name"], "--pruner", flags.pruner)
    return Node(Place("the flags"), content)


def _is_again(content: Mapping[str, Entry], key: str, name: str, flag: str, problems: Problems) -> bool:
    """Whether an earlier flag has said it already, which is a problem: one of the two would be lost."""
    known = content[key].value.content if key in content else {}
    is_again = isinstance(known, dict) and name in known
    if is_again:
        problems.add(Place(flag), f"an earlier {flag.split()[0]} already names {name!r}; keep one of them")
    return is_again


def _put(
    content: dict[str, Entry],
    path: Sequence[str],
    flag: str,
    value: Any,
    place: Place | None = None,
    as_yaml: bool = False,
) -> None:
    """Set ``value``, typed as ``flag``, at ``path``; does nothing if it is None."""
    if value is None:
        return
    place = place or Place(flag if " " in flag else f"{flag} {value}")
    *outer, last = path
    for key in outer:
        if key not in content:
            content[key] = Entry(place, Node(place, {}))
        inner = content[key].value.content
        assert isinstance(inner, dict)
        content = inner
    content[last] = Entry(place, from_plain(parse_scalar(value) if as_yaml else value, place))


def _put_command(content: dict[str, Entry], command: str, problems: Problems) -> None:
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        problems.add(Place(f"--command {command}"), f"the command's quotes do not match ({error}); close them")
        return
    _put(content, ["objective", "command"], "--command", arguments, Place(f"--command {command}"))


def _put_parameter(content: dict[str, Entry], text: str, problems: Problems) -> None:
    place = Place(f"--param {text}")
    match = _PARAMETER.fullmatch(text)
    if match is None:
        problems.add(place, f"expected name=kind(…), {_PARAMETER_EXAMPLE}")
        return
    name, head = match["name"], match["head"]
    if head not in _HEADS:
        problems.add(place, f"{head!r} is not a kind of parameter{did_you_mean(head, _HEADS)}")
        return
    try:
        arguments = parse_yaml(f"[{match['arguments']}]", None).plain()
    except StudyFileError as error:
        problems.add(place, f"the text in brackets cannot be read ({error.problems[0].message})")
        return
    assert isinstance(arguments, list)
    if "search_space" in content:
        existing = content["search_space"].value.content
        if isinstance(existing, dict) and name in existing:
            problems.add(place, f"an earlier --param already defines the parameter {name!r}; rename one")
            return
    _put(content, ["search_space", name], "--param", _parameter(head, arguments), place)


def _parameter(head: str, arguments: Iterable[Any]) -> dict[str, Any]:
    """The study file's form of ``head(arguments)``; the grammar reports its problems."""
    values: list[Any] = []
    parameter: dict[str, Any] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=") if isinstance(argument, str) else ("", "", "")
        if equals and key == "when":
            parameter["when"] = parameter.get("when", {}) | _condition(text)
        elif equals and key in ("step", "default"):
            parameter[key] = parse_scalar(text)
        elif argument == "log" and head in ("float", "int"):
            parameter["log"] = True
        else:
            values.append(argument)
    return {head: values[0] if head == "const" and len(values) == 1 else values, **parameter}


def _condition(text: str) -> dict[str, Any]:
    """``booster:dart|gbtree`` as a condition."""
    parent, _, wanted = text.partition(":")
    return {parent: [parse_scalar(value) for value in wanted.split("|")]}
