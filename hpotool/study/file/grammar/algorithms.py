"""The samplers and pruners for study files, one row each: its arguments, and its requirements on the study.

The reader, its checks, ``search`` and the docs' tests use these rows. A row contains everything but the class,
which is in ``search.samplers`` or ``search.pruning.pruners``; a test checks that it is there.

Names and defaults are Optuna's, without its deprecated arguments; ``module:Class`` names any other class.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hpotool.study.file.grammar.kinds import (
    BROKEN,
    Anything,
    Flag,
    Items,
    Key,
    Kind,
    Number,
    OneOf,
    Plain,
    Record,
    Table,
    Text,
    reject,
)
from hpotool.study.yaml.document import Entry, Node, Problems, did_you_mean

LARGEST_SEED = 2**32 - 1  # the largest seed of NumPy's RandomState
_COUNT = Number(whole=True, low=0)
_POSITIVE = Number(whole=True, low=1)
_SHARE = Number(low=0, high=1)
_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def check_reference(text: str) -> str:
    """Return ``text`` if it has the form ``module:name``.

    Raises:
        ValueError: it does not; the message says how to write it.
    """
    if _REFERENCE.fullmatch(text):
        return text
    if text.endswith(".py") or "/" in text:
        module = text.partition(":")[0].removesuffix(".py").strip("./").replace("/", ".")
        function = text.partition(":")[2] or "objective"
        raise ValueError(f"{text!r} is a path; write the module and its function, like {module}:{function}")
    if ":" not in text and "." in text:
        module, _, function = text.rpartition(".")
        raise ValueError(f"{text!r} has no ':'; write module:function, like {module}:{function}")
    raise ValueError(
        f"{text!r} does not name a function; write module:function, like objectives.quadratic:objective"
    )


def _check_class(text: str) -> str:
    if not _REFERENCE.fullmatch(text):
        raise ValueError(f"{text!r} does not name a class; write module:Class, like optuna.samplers:TPESampler")
    return text


@dataclass(frozen=True)
class JsonData(Plain):
    """Any JSON data: an argument for a user's own class."""

    def read(self, node: Node, problems: Problems) -> Any:
        """Return the data if all its numbers are finite."""
        if isinstance(node.content, list):
            return [self.read(item, problems) for item in node.content]
        if isinstance(node.content, dict):
            return {key: self.read(entry.value, problems) for key, entry in node.content.items()}
        return Anything().read(node, problems)

    def json_schema(self) -> dict[str, Any]:
        """No restriction."""
        return {}


class _WrappedPruner(Plain):
    """The pruner inside ``patient``, or null."""

    def read(self, node: Node, problems: Problems) -> Any:
        """A plain mapping with ``name`` and arguments, or None."""
        if node.content is None:
            return None
        return PRUNER.read(node, problems)

    def json_schema(self) -> dict[str, Any]:
        return {"type": ["object", "string", "null"]}


@dataclass(frozen=True)
class Row:
    """The facts about one sampler or pruner.

    Attributes:
        keys: its arguments
        is_default: used if no name is given
        needs: a module that it imports, and the pip package that provides it
        space: the parameters whose values it must be able to list; for a grid, they may be given as an argument
        one_metric: advice for studies with several metrics, if it supports only one; None: it supports several
        only_one_of: arguments of which at most one may be true
        ends_by_itself: it ends the study after its last point
        decides_steps: it decides to which step each trial trains
        unpickles: it unpickles Python objects from the database
    """

    keys: Mapping[str, Key]
    is_default: bool = False
    needs: tuple[str, str] | None = None
    space: Literal["any", "countable", "grid"] = "any"
    one_metric: str | None = None
    only_one_of: tuple[str, ...] = ()
    ends_by_itself: bool = False
    decides_steps: bool = False
    unpickles: bool = False


_GENETIC = {
    "population_size": Key(Number(whole=True, low=2), "the number of trials in a generation (50)"),
    "mutation_prob": Key(_SHARE, "the probability that a parameter mutates (1 / number of parameters)"),
    "crossover": Key(
        OneOf(("uniform", "blxalpha", "spx", "sbx", "vsbx", "undx")), "how two parents are mixed (uniform)"
    ),
    "crossover_prob": Key(_SHARE, "the probability that a child has two parents (0.9)"),
    "swapping_prob": Key(_SHARE, "the probability that a parameter comes from the other parent (0.5)"),
}

SAMPLERS: Mapping[str, Row] = {
    "auto": Row(
        {
            "n_startup_trials": Key(_COUNT, "the number of spread-out trials before a model is used (10)"),
        },
        is_default=True,
    ),
    "tpe": Row(
        {
            "n_startup_trials": Key(_COUNT, "how many random trials come first (10)"),
            "n_ei_candidates": Key(_POSITIVE, "the number of candidates compared for each suggestion (24)"),
            "multivariate": Key(Flag(), "whether parameters are modelled together"),
            "group": Key(Flag(), "whether parameters that occur together are modelled in groups (false)"),
            "constant_liar": Key(Flag(), "whether running trials are taken into account (true)"),
        }
    ),
    "random": Row({}),
    "grid": Row(
        {
            "points": Key(
                Table(
                    Items(Anything(), "values", at_least=1),
                    Text("a parameter's name"),
                    "parameters with their values, like {lr: [0.1, 0.2]}",
                ),
                "the values to try, for parameters without a step or choices",
            ),
        },
        space="grid",
        ends_by_itself=True,
    ),
    "gp": Row(
        {
            "n_startup_trials": Key(_COUNT, "how many random trials come first (10)"),
            "deterministic_objective": Key(
                Flag(), "whether the same parameters always give the same value (false)"
            ),
        },
        needs=("torch", "hpotool[torch]"),
    ),
    "cmaes": Row(
        {
            "n_startup_trials": Key(_COUNT, "how many random trials come first (1)"),
            "consider_pruned_trials": Key(Flag(), "whether the sampler also learns from pruned trials (false)"),
            "popsize": Key(
                Number(whole=True, low=2), "the number of trials in a generation (4 + 3 ln dimensions)"
            ),
            "use_separable_cma": Key(Flag(), "whether the covariance is diagonal (false)"),
            "with_margin": Key(Flag(), "whether discrete parameters keep a margin (false)"),
            "lr_adapt": Key(Flag(), "whether the learning rate adapts, for noisy objectives (false)"),
        },
        needs=("cmaes", "hpotool[cmaes]"),
        one_metric="use tpe, gp or nsga2",
        only_one_of=("use_separable_cma", "with_margin", "lr_adapt"),
        unpickles=True,
    ),
    "nsga2": Row(_GENETIC),
    "nsga3": Row(_GENETIC | {"dividing_parameter": Key(_POSITIVE, "how densely the reference points lie (3)")}),
    "qmc": Row(
        {
            "qmc_type": Key(OneOf(("sobol", "halton")), "the sequence (sobol)"),
            "scramble": Key(Flag(), "whether the sequence is scrambled by the seed (false)"),
        },
        needs=("scipy", "scipy"),
    ),
    "pbt": Row(
        {
            "interval": Key(_POSITIVE, "the number of steps that a member trains per trial", True, "interval: 5"),
            "population_size": Key(Number(whole=True, low=2), "the number of members (8)"),
            "quantile_fraction": Key(
                Number(above=0, high=0.5),
                "the fraction of the worst members that restarts from the same fraction of the best (0.25)",
            ),
            "resample_probability": Key(_SHARE, "the probability that an explored parameter is drawn anew (0.25)"),
            "explore": Key(
                Items(Text("a parameter's name"), "parameters, like [lr, dropout]", at_least=1),
                "the parameters that may change while a member trains (all)",
            ),
        },
        one_metric="keep the one by which trials are ranked",
        decides_steps=True,
    ),
    "bruteforce": Row(
        {
            "avoid_premature_stop": Key(
                Flag(), "whether running trials are waited for before the study ends (false)"
            ),
        },
        space="countable",
        ends_by_itself=True,
    ),
}

_STARTUP = {
    "n_startup_trials": Key(_COUNT, "the number of trials that complete before any is pruned"),
    "n_warmup_steps": Key(_COUNT, "the step before which no trial is pruned"),
    "interval_steps": Key(_POSITIVE, "every how many steps it judges (1)"),
    "n_min_trials": Key(_POSITIVE, "the number of other trials that must have reported at the step"),
}
_BOOTSTRAP = Key(_COUNT, "the number of trials that a rung waits for before it prunes (0)")
_REDUCTION = Key(Number(whole=True, low=2), "one trial in this many continues to the next rung")

PRUNERS: Mapping[str, Row] = {
    "none": Row({}, is_default=True),
    "learned": Row(
        {"n_startup_trials": Key(_POSITIVE, "how many trials complete before any is pruned (6)")},
    ),
    "median": Row(
        _STARTUP
        | {
            "max_resource": Key(
                _POSITIVE, "the number of steps of a whole trial; its first quarter is never pruned"
            )
        }
    ),
    "percentile": Row(
        {
            "percentile": Key(
                Number(low=0, high=100),
                "the best percentage of trials to keep",
                required=True,
                example="percentile: 25",
            )
        }
        | _STARTUP
    ),
    "hyperband": Row(
        {
            "min_resource": Key(_POSITIVE, "the steps of the shortest bracket (1)"),
            "max_resource": Key(
                _POSITIVE, "the number of steps of a whole trial", required=True, example="max_resource: 81"
            ),
            "reduction_factor": _REDUCTION,
            "bootstrap_count": _BOOTSTRAP,
        }
    ),
    "asha": Row(
        {
            "min_resource": Key(_POSITIVE, "the first rung's step (Optuna guesses it from the first trial)"),
            "reduction_factor": _REDUCTION,
            "min_early_stopping_rate": Key(_COUNT, "the number of rungs skipped at the start (0)"),
            "bootstrap_count": _BOOTSTRAP,
        }
    ),
    "patient": Row(
        {
            "wrapped": Key(_WrappedPruner(), "the pruner used once patience has run out (none)"),
            "patience": Key(
                _COUNT, "the number of steps without improvement to wait for", required=True, example="patience: 5"
            ),
            "min_delta": Key(Number(low=0), "the smallest change that counts as an improvement (0)"),
        }
    ),
    "threshold": Row(
        {
            "lower": Key(Number(), "trials that report less than this are pruned"),
            "upper": Key(Number(), "trials that report more than this are pruned"),
            "n_warmup_steps": Key(_COUNT, "the step before which no trial is pruned (0)"),
            "interval_steps": Key(_POSITIVE, "every how many steps it judges (1)"),
        }
    ),
    "wilcoxon": Row(
        {
            "p_threshold": Key(_SHARE, "the p-value below which a trial is pruned (0.1)"),
            "n_startup_steps": Key(_COUNT, "the minimum number of steps to compare (2)"),
        },
        needs=("scipy", "scipy"),
    ),
}


@dataclass(frozen=True)
class Algorithm:
    """A sampler or pruner: ``name`` determines the other keys; text by itself is the name."""

    what: str
    known: Mapping[str, Row]
    common: Mapping[str, Key]

    def read(self, node: Node, problems: Problems) -> Any:
        """The given keys with their values; ``name`` is missing if it is not given."""
        content = node.content
        if isinstance(content, str):
            content = {"name": Entry(node.place, node)}
        if not isinstance(content, dict):
            return reject(node, f"a {self.what}'s name or a mapping with its name", problems)
        name = self._name(content, problems)
        if name is BROKEN:
            return BROKEN
        if ":" in name:
            return self._read_foreign(content, problems)
        record = Record(f"{self.what} {name!r}", self._keys_of(name), f"{{name: {name}}}")
        return record.read(Node(node.place, content), problems)

    @property
    def default(self) -> str:
        """The name that is used if none is given."""
        [name] = [name for name, row in self.known.items() if row.is_default]
        return name

    def row(self, value: Any) -> Row | None:
        """The row of ``value``; None if it is absent, broken, or a user's own class."""
        return self.known.get(value.get("name", self.default)) if isinstance(value, Mapping) else None

    def _name(self, content: dict[str, Entry], problems: Problems) -> Any:
        if "name" not in content:
            return self.default
        node = content["name"].value
        name = node.content
        if isinstance(name, str) and name in self.known:
            return name
        if isinstance(name, str) and ":" in name:
            return Text("module:Class", _check_class).read(node, problems)
        if not isinstance(name, str):
            return reject(node, f"a {self.what}'s name, one of {', '.join(self.known)}", problems)
        plain = name.lower().removesuffix("sampler").removesuffix("pruner")  # as in Optuna's class names
        hint = did_you_mean(plain, list(self.known))
        problems.add(node.place, f"there is no {self.what} {name!r}{hint}")
        return BROKEN

    def _read_foreign(self, content: dict[str, Entry], problems: Problems) -> dict[str, Any]:
        kinds: dict[str, Kind] = {key: known.kind for key, known in self.common.items()}
        return {key: kinds.get(key, JsonData()).read(entry.value, problems) for key, entry in content.items()}

    def _keys_of(self, name: str) -> dict[str, Key]:
        return {
            "name": Key(OneOf(tuple(self.known)), f"the {self.what}'s name"),
            **self.common,
            **self.known[name].keys,
        }

    def write(self, value: Any) -> dict[str, Any]:
        """Name, common keys and arguments in one mapping."""
        common = {key: getattr(value, key) for key in self.common}
        return {"name": value.name, **{k: v for k, v in common.items() if v is not None}, **value.arguments}

    def json_schema(self) -> dict[str, Any]:
        """One alternative for each name, and anything for a user's own class."""
        alternatives: list[dict[str, Any]] = [{"enum": list(self.known)}, {"type": "string", "pattern": ":"}]
        for name in self.known:
            schema = Record(self.what, self._keys_of(name), name).json_schema()
            schema["properties"]["name"] = {"const": name}
            if name != self.default:
                schema["required"] = [*schema.get("required", []), "name"]
            alternatives.append(schema)
        foreign = {"name": {"type": "string", "pattern": ":"}}
        alternatives.append({"type": "object", "properties": foreign, "required": ["name"]})
        return {"anyOf": alternatives}


SAMPLER = Algorithm(
    "sampler",
    SAMPLERS,
    {"seed": Key(Number(whole=True, low=0, high=LARGEST_SEED), "makes the study reproducible; random if absent")},
)
PRUNER = Algorithm(
    "pruner", PRUNERS, {"metric": Key(Text("a metric's name"), "the metric to prune by, if there are several")}
)
