"""The grammar of a study file: every key, its kind and its meaning. The single source of truth.

``hpotool.study.file.reader`` reads with it, and ``hpotool schema`` derives the JSON schema for editors from it.
"""

from __future__ import annotations

from typing import Any

from hpotool.study.file.grammar.algorithms import PRUNER, SAMPLER, JsonData, check_reference
from hpotool.study.file.grammar.kinds import (
    DURATION,
    SIZE,
    Flag,
    Items,
    Key,
    Number,
    OneOf,
    Record,
    Table,
    Text,
)
from hpotool.study.file.grammar.space import SearchSpace, parameter_json_schema
from hpotool.study.file.grammar.tracking import NOTIFY, TRACKING
from hpotool.study.file.grammar.values import (
    METRIC_NAME,
    MORE_THAN_ZERO,
    OWNER_NAME,
    POOL_NAME,
    POSITIVE,
    TAG_NAME,
    Constraint,
    Holdout,
    Keep,
    Target,
    check_environment_name,
    check_regex,
    check_study_name,
)
from hpotool.study.origins.paths import check_data_path
from hpotool.study.outcome import COUNTED

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
                Text("a variable's name", check_environment_name),
                "variables with their values, like {DATA_DIR: /data}",
            ),
            "environment variables for the attempt; ${NAME} stands for one of the worker",
            decides_values=True,
        ),
        "patterns": Key(
            Table(
                Text("a regular expression", check_regex),
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
        "trials": Key(POSITIVE, "the number of trials that end complete or pruned"),
        "wall": Key(DURATION, "the duration of the study, from its first attempt on"),
        "gpu_hours": Key(MORE_THAN_ZERO, "the GPU hours that its attempts use"),
        "cost": Key(MORE_THAN_ZERO, "the cost of its attempts, from `prices`"),
        "prices": Key(
            Table(
                Number(low=0),
                Text("a device's name"),
                "devices with their price per hour, like {H100: 2.5}",
                at_least=1,
            ),
            "the price per hour of a device, by part of its name; `cpu` for workers without one",
        ),
        "target": Key(Target(), "the value at which the study is done"),
        "patience": Key(
            POSITIVE, "the number of finished trials without improvement after which the study is done"
        ),
        "regret": Key(
            MORE_THAN_ZERO,
            "the study is done when further search can hardly gain more than this, in the metric's units",
            is_silent=True,
        ),
        "failed": Key(POSITIVE, "the number of failed trials after which the study is done"),
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
        "trials": Key(POSITIVE, "the number of trials in the tier", True, "trials: 60"),
        "steps": Key(POSITIVE, "the step to which each of them trains", True, "steps: 3"),
    },
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
            Table(Constraint(), METRIC_NAME, 'names with bounds, like {latency_ms: "<= 50"}'),
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
            Items(
                Table(
                    JsonData(),
                    Text("a parameter's name"),
                    "parameters with values, like {lr: 0.1, depth: 3}",
                    at_least=1,
                ),
                "points",
            ),
            "points to try first",
        ),
        "baseline": Key(
            Table(
                JsonData(),
                Text("a parameter's name"),
                "parameters with values, like {lr: 0.1, depth: 3}",
                at_least=1,
            ),
            "the point that is to be beaten, which confirm compares the others with",
            is_silent=True,
        ),
        "holdout": Key(
            Items(Holdout(), "names or folds, like [8, 9]", at_least=1, alone=True),
            "data or folds that only confirm and the final training are told of",
            is_silent=True,
        ),
        "data": Key(
            Items(
                Text("a path or a URL", check_data_path),
                "paths or URLs, like [data/train.csv]",
                at_least=1,
                alone=True,
            ),
            "files, folders, URLs or .dvc files that the objective reads; ${NAME} stands for an environment "
            "variable of the worker",
            is_silent=True,
        ),
        "reuse": Key(
            Flag(),
            "whether a trial is not run again if it completed in another study with the same objective, code, "
            "data, point and seed (false)",
            is_silent=True,
        ),
        "strict": Key(Flag(), "whether a worker with other code, data or versions is refused (false)"),
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
            Table(Text("a text"), TAG_NAME, "tags, like {owner: ann, paper: iclr}"),
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
        "max_running": Key(POSITIVE, "how many trials may run at the same time, in a pool or not", is_silent=True),
        "owner": Key(OWNER_NAME, "whose quota its GPU hours count against", is_silent=True),
        "preempt": Key(Flag(), "whether trials of lower priority hand it their places (false)", is_silent=True),
        "keep": Key(Keep(), "which checkpoints are kept: all, or those of the best finished trials (best 3)"),
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
