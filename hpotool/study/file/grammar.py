"""The grammar of a study file: every key, its kind and its meaning. The single source of truth.

``hpotool.study.file.reader`` reads with it, and ``hpotool schema`` derives the JSON schema for editors from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hpotool.study.document import Node, Problems
from hpotool.study.file.algorithms import PRUNER, SAMPLER, JsonData, check_reference
from hpotool.study.file.kinds import (
    BROKEN,
    DURATION,
    SIZE,
    Flag,
    Items,
    Key,
    Number,
    OneOf,
    Plain,
    Record,
    Table,
    Text,
    reject,
)
from hpotool.study.file.space_grammar import SearchSpace, parameter_json_schema
from hpotool.study.file.tracking_grammar import NOTIFY, TRACKING
from hpotool.study.outcome import COUNTED
from hpotool.study.spec import ConstraintSpec, KeepSpec

_COUNT = Number(whole=True, low=0)
_POSITIVE = Number(whole=True, low=1)
_MORE_THAN_ZERO = Number(above=0)
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


def _check_metric_name(name: str) -> str:
    if any(character.isspace() or not character.isprintable() for character in name) or len(name) > 200:
        raise ValueError(f"the name {name!r} must be one word without spaces, like accuracy or val/loss")
    return name


def _check_regex(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression ({error}); correct it") from None
    if groups != 1:
        raise ValueError(
            rf"{pattern!r} must have one group around the number, like loss=([-+.e\d]+), not {groups}"
        )
    return pattern


def _check_environment_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise ValueError(f"{name!r} cannot name an environment variable; use letters, digits and _")
    if name.startswith("HPOTOOL_") or name == "CUDA_VISIBLE_DEVICES":
        raise ValueError(f"{name!r} is set by hpotool itself; choose another name")
    return name


def _one_word(what: str, example: str, more: str = "") -> Callable[[str], str]:
    def check(name: str) -> str:
        if not re.fullmatch(rf"[\w.{more}-]{{1,100}}", name):
            signs = " ".join(f"._-{more}")
            raise ValueError(f"{what} {name!r} must be one word of letters, digits and {signs}, like {example}")
        return name

    return check


METRIC_NAME = Text("a metric's name", _check_metric_name)
POOL_NAME = Text("a pool's name", _one_word("the pool's name", "gpus"))
OWNER_NAME = Text("a name", _one_word("the owner", "ann", "@+"))


class _Constraint:
    """``"<= 50"``: a bound, without the name of the value."""

    def read(self, node: Node, problems: Problems) -> Any:
        match = _CONSTRAINT.fullmatch(node.content.strip()) if isinstance(node.content, str) else None
        try:
            bound = float(match[2]) if match else float("nan")
        except ValueError:
            bound = float("nan")
        if match is None or not abs(bound) < float("inf"):
            return reject(node, 'a bound in quotes, like "<= 50" or ">= 0.9"', problems)
        return ConstraintSpec("", "<=" if match[1] == "<=" else ">=", bound)

    def write(self, value: Any) -> str:
        return f"{value.operator} {value.bound!r}"

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": _CONSTRAINT.pattern}


class _Target:
    """A value that is good enough: a number, or with several metrics a mapping of metrics to numbers."""

    _table = Table(Number(), METRIC_NAME, "metrics with their targets, like {loss: 0.1}", at_least=1)

    def read(self, node: Node, problems: Problems) -> Any:
        if isinstance(node.content, (dict, list)):
            return self._table.read(node, problems)
        return Number().read(node, problems)

    def write(self, value: Any) -> Any:
        return self._table.write(value)

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [Number().json_schema(), self._table.json_schema()]}


class _CountOrAll:
    """A count, or ``all``, which reads as None."""

    def read(self, node: Node, problems: Problems) -> Any:
        return None if node.content == "all" else _COUNT.read(node, problems)

    def write(self, value: Any) -> Any:
        return "all" if value is None else value

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [_COUNT.json_schema(), {"const": "all"}]}


class _Keep:
    """``all``, ``best 3``, or ``{best: 3, last: 2}``."""

    _record = Record(
        "keep",
        example="{best: 3}",
        keys={
            "best": Key(
                _CountOrAll(), "the number of best finished trials whose checkpoints are kept, or all (3)"
            ),
            "last": Key(_POSITIVE, "the number of checkpoints kept for each trial (2)"),
        },
    )

    def read(self, node: Node, problems: Problems) -> Any:
        if isinstance(node.content, str):
            match = re.fullmatch(r"best\s+(\d{1,9})|all", node.content.strip())
            if match is None:
                return reject(node, "all, best 3, or {best: 3, last: 2}", problems)
            return KeepSpec(best=int(match[1]) if match[1] else None)
        values = self._record.read(node, problems)
        return values if values is BROKEN or BROKEN in values.values() else KeepSpec(**values)

    def write(self, value: Any) -> Any:
        return self._record.write(value)

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "pattern": r"^(all|best\s+\d+)$"}, self._record.json_schema()]}


class _Holdout(Plain):
    """A data set's name, or the number of a fold."""

    def read(self, node: Node, problems: Problems) -> Any:
        content = node.content
        is_number = isinstance(content, int) and not isinstance(content, bool) and content >= 0
        is_name = isinstance(content, str) and bool(content) and "," not in content and content.isprintable()
        if is_number or is_name:
            return content
        return reject(node, "the name of a data set, without commas, or the number of a fold", problems)

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[^,]+$"}]}


OBJECTIVE = Record(
    "objective",
    example="{python: module:function}",
    keys={
        "python": Key(Text("module:function", check_reference, ":"), "the function to call, module:function"),
        "command": Key(
            Items(
                Text("an argument"),
                'arguments, like [python, train.py, --lr, "{lr}"]',
                1,
            ),
            "the command to run, as a list of arguments; {name} stands for a parameter, ${NAME} for an "
            "environment variable of the worker",
        ),
        "timeout": Key(DURATION, "how long one attempt may take"),
        "stall": Key(DURATION, "how long an attempt may report nothing"),
        "max_memory": Key(SIZE, "how much memory an attempt's processes may use together"),
        "isolation": Key(OneOf(("process", "none")), "whether an attempt runs in a separate process (process)"),
        "environment": Key(
            Table(
                Text("a text"),
                Text("a variable's name", _check_environment_name),
                "variables with their values, like {DATA_DIR: /data}",
            ),
            "environment variables for the attempt; ${NAME} stands for one of the worker",
            decides_values=True,
        ),
        "patterns": Key(
            Table(
                Text("a regular expression", _check_regex),
                METRIC_NAME,
                "metrics with regular expressions, like {loss: 'loss=(.*)'}",
            ),
            "regular expressions that extract metrics from a command's output",
            decides_values=True,
        ),
        "take": Key(
            Table(OneOf(("last", "min", "max")), METRIC_NAME, "metrics with last, min or max, like {loss: min}"),
            "which of a metric's reports is the final value (last)",
            decides_values=True,
        ),
        "result_file": Key(
            Text("a file's name"), "a JSON file with metrics that a command writes", decides_values=True
        ),
    },
)

BUDGET = Record(
    "budget",
    example="{trials: 40}",
    keys={
        "trials": Key(_POSITIVE, "the number of trials that end complete or pruned"),
        "wall": Key(DURATION, "the duration of the study, from its first attempt on"),
        "gpu_hours": Key(_MORE_THAN_ZERO, "the GPU hours that its attempts use"),
        "cost": Key(_MORE_THAN_ZERO, "the cost of its attempts, from `prices`"),
        "prices": Key(
            Table(
                Number(low=0),
                Text("a device's name"),
                "devices with their price per hour, like {H100: 2.5}",
                at_least=1,
            ),
            "the price per hour of a device, by part of its name; `cpu` for workers without one",
        ),
        "target": Key(_Target(), "the value at which the study is done"),
        "patience": Key(
            _POSITIVE, "the number of finished trials without improvement after which the study is done"
        ),
        "failed": Key(_POSITIVE, "the number of failed trials after which the study is done"),
    },
)

RETRY = Record(
    "retry",
    example="{lost: 3, crash: 1}",
    keys={
        outcome.value: Key(
            Number(whole=True, low=0, high=1000),
            f"how often {outcome.facts.after_failure} is retried",
            is_silent=outcome.facts.is_silent,
        )
        for outcome in COUNTED
    },
)

TIER = Record(
    "a tier",
    example="{trials: 60, steps: 3}",
    keys={
        "trials": Key(_POSITIVE, "the number of trials in the tier", True, "trials: 60"),
        "steps": Key(_POSITIVE, "the step to which each of them trains", True, "steps: 3"),
    },
)

_POINT = Table(
    JsonData(), Text("a parameter's name"), "parameters with values, like {lr: 0.1, depth: 3}", at_least=1
)

STUDY = Record(
    "the study file",
    example="study: digits",
    keys={
        "study": Key(Text("the study's name", check_study_name), "the study's name", True, "study: digits"),
        "objective": Key(OBJECTIVE, "the code that a trial runs", True, "objective: {python: module:function}"),
        "metrics": Key(
            Table(
                OneOf(("maximize", "minimize")),
                METRIC_NAME,
                "metrics with their direction, like {accuracy: maximize}",
                at_least=1,
            ),
            "the values that the objective returns, each to minimize or maximize",
            True,
            "metrics: {accuracy: maximize}",
        ),
        "constraints": Key(
            Table(_Constraint(), METRIC_NAME, 'names with bounds, like {latency_ms: "<= 50"}'),
            "bounds on what the objective reports",
        ),
        "search_space": Key(SearchSpace(), "the parameters; absent if the objective suggests its own"),
        "sampler": Key(SAMPLER, "how the next point is chosen (auto)"),
        "pruner": Key(PRUNER, "when bad trials are ended early (none)"),
        "tiers": Key(
            Items(TIER, "tiers, like [{trials: 60, steps: 3}, {trials: 10, steps: 30}]", at_least=2),
            "many short trials first, then more steps for the best",
            is_silent=True,
        ),
        "budget": Key(BUDGET, "when the study is done; the first limit to be reached counts"),
        "retry": Key(RETRY, "how often a trial is retried after each kind of failure"),
        "warm_start": Key(
            Items(_POINT, "points"),
            "points to try first",
        ),
        "baseline": Key(
            _POINT,
            "the point that is to be beaten, which confirm compares the others with",
            is_silent=True,
        ),
        "holdout": Key(
            Items(_Holdout(), "names or folds, like [8, 9]", at_least=1, alone=True),
            "data or folds that only confirm and the final training are told of",
            is_silent=True,
        ),
        "strict": Key(Flag(), "whether a worker with other code or other versions is refused (false)"),
        "duplicates": Key(
            OneOf(("allow", "skip", "replicate")),
            "whether a point that has a result runs again independently, gets the existing result, or runs again "
            "and is compared by the mean of its trials (allow)",
        ),
        "on_oom": Key(
            OneOf(("fail", "infeasible")),
            "whether the sampler learns to avoid points that run out of memory (fail)",
        ),
        "breaker": Key(
            OneOf(("on", "off")),
            "whether a worker leaves if everything fails on it but not on others (on)",
            is_silent=True,
        ),
        "gpu_memory": Key(
            SIZE,
            "how much memory a trial takes on each of its GPUs; workers on one GPU start a trial when this fits",
            is_silent=True,
        ),
        "description": Key(Text("a text"), "what the study is about, for people", is_silent=True),
        "tags": Key(
            Table(
                Text("a text"),
                Text("a tag's name", _one_word("the tag's name", "owner")),
                "tags, like {owner: ann, paper: iclr}",
            ),
            "tags to find the study by",
            is_silent=True,
        ),
        "tracking": Key(TRACKING, "where one of the workers exports every trial", is_silent=True),
        "notify": Key(NOTIFY, "the events that people are notified of at HPOTOOL_NOTIFY", is_silent=True),
        "pool": Key(POOL_NAME, "the pool whose workers share their time among its studies", is_silent=True),
        "priority": Key(
            Number(whole=True, low=-1000, high=1000), "studies of greater priority go first (0)", is_silent=True
        ),
        "weight": Key(
            Number(low=0.001, high=1_000_000),
            "the study's share of its pool, relative to the others of its priority (1)",
            is_silent=True,
        ),
        "max_running": Key(
            _POSITIVE, "how many trials may run at the same time, in a pool or not", is_silent=True
        ),
        "owner": Key(OWNER_NAME, "whose quota its GPU hours count against", is_silent=True),
        "preempt": Key(Flag(), "whether trials of lower priority hand it their places (false)", is_silent=True),
        "keep": Key(_Keep(), "which checkpoints are kept: all, or those of the best finished trials (best 3)"),
    },
    ignored_prefix="x-",
)


def json_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a study file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "hpotool study file",
        **STUDY.json_schema(),
        "$defs": {"parameter": parameter_json_schema()},
    }
