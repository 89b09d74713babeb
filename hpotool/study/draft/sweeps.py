"""Drafts study files from other tools' files: a Weights & Biases sweep, or a config of hydra-optuna-sweeper."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hpotool.errors import InputError
from hpotool.study.draft.write import Draft, DraftParameter, name_like
from hpotool.study.yaml.document import parse_scalar, parse_yaml

_WANDB_SAMPLERS = {"random": "random", "grid": "grid"}
_HYDRA_SAMPLERS = {"random": "random", "grid": "grid", "tpe": "tpe", "cmaes": "cmaes", "nsgaii": "nsga2"}
_WORDS = {
    "${interpreter}": "python",
    "${args}": "{args}",
    "${args_no_hyphens}": "{overrides}",
    "${args_json}": "{args_json}",
}
_LARGEST = 1e300  # no bound that anybody means lies beyond it, and no sum of two overflows
_LARGEST_EXPONENT = math.log(_LARGEST)
_UNREAD = "cannot be read; write it anew"


def draft_sweep(text: str, path: str, stem: str) -> Draft:
    """A draft for the sweep's ``text``.

    Raises:
        InputError: it belongs to neither of these tools; as StudyFileError, it is not YAML.
    """
    data = parse_yaml(text, path).plain()
    if isinstance(data, dict):
        sweeper = _hydra_sweeper(data)
        if sweeper is not None:
            return _draft_hydra(sweeper, data, stem)
        if isinstance(data.get("parameters"), dict):
            return _draft_wandb(data, stem)
    raise InputError(
        f"{path} is not a sweep of Weights & Biases (parameters:) or Hydra (hydra: sweeper: params:)",
        "hpotool init train.py, or for a study file hpotool check FILE",
    )


def _draft_wandb(data: Mapping[str, Any], stem: str) -> Draft:
    metric = data.get("metric") if isinstance(data.get("metric"), dict) else {}
    assert isinstance(metric, dict)
    notes = ['wandb.log is not read: make the script print its metric, like {"loss": 0.1}, or set patterns']
    program = data.get("program")
    if not program:
        notes.append("the sweep names no program: write the command")
    trials = data.get("run_cap")
    return Draft(
        name_like(str(data.get("name") or stem)),
        {"command": _wandb_command(data.get("command"), str(program or "train.py"))},
        {str(metric.get("name", "loss")).replace(" ", "_"): _direction(metric.get("goal"))},
        list(_wandb_parameters(data["parameters"])),
        trials=trials if isinstance(trials, int) and trials > 0 else 100,
        sampler=_WANDB_SAMPLERS.get(str(data.get("method"))),
        pruner=_wandb_pruner(data.get("early_terminate")),
        notes=notes,
    )


def _direction(goal: Any) -> str:
    return "maximize" if goal == "maximize" else "minimize"


def _wandb_command(command: Any, program: str) -> list[str]:
    if not isinstance(command, list):
        return ["python", program, "{args}"]
    words = [str(word) for word in command if word not in ("${env}", "/usr/bin/env")]
    words = [{**_WORDS, "${program}": program}.get(word, word) for word in words]
    return [re.sub(r"\$\{envvar:(\w+)\}", r"${\1}", word) for word in words]


def _wandb_pruner(early: Any) -> dict[str, Any] | None:
    if not isinstance(early, dict) or early.get("type") != "hyperband":
        return None
    least, eta = early.get("min_iter", 1), early.get("eta", 3)
    if not _are_numbers(least, eta):
        return None
    early = {"max_iter": round(least * eta**4), **early}  # Weights & Biases has no maximum
    names = {"min_iter": "min_resource", "max_iter": "max_resource", "eta": "reduction_factor"}
    return {"name": "hyperband"} | {here: early[there] for there, here in names.items() if there in early}


def _wandb_parameters(parameters: Mapping[str, Any], outer: str = "") -> Iterator[DraftParameter]:
    for key, content in parameters.items():
        name = f"{outer}{key}"
        if not isinstance(content, dict):
            yield DraftParameter(name, None, _UNREAD)
        elif isinstance(content.get("parameters"), dict):
            yield from _wandb_parameters(content["parameters"], f"{name}.")
        else:
            yield _wandb_parameter(name, content)


def _wandb_parameter(name: str, content: Mapping[str, Any]) -> DraftParameter:
    if "value" in content:
        return DraftParameter(name, {"const": content["value"]})
    if isinstance(content.get("values"), list):
        return DraftParameter(name, {"choice": content["values"]})
    low, high = content.get("min"), content.get("max")
    kind = str(content.get("distribution", "int_uniform" if _are_whole(low, high) else "uniform"))
    if not _are_numbers(low, high) or "normal" in kind or kind.startswith("inv_"):
        return DraftParameter(name, None, f"{kind} {_UNREAD}")
    assert low is not None and high is not None  # noqa: PT018 -- one statement about both
    is_log = "log_uniform" in kind
    if is_log and not kind.endswith("values"):  # its bounds are exponents of e
        if max(abs(low), abs(high)) > _LARGEST_EXPONENT:
            return DraftParameter(name, None, f"{kind} {_UNREAD}")
        low, high = (float(f"{math.exp(bound):.6g}") for bound in (low, high))
    return DraftParameter(name, _range(low, high, content.get("q"), is_log, is_whole=kind == "int_uniform"))


def _are_numbers(*values: Any) -> bool:
    return all(type(value) in (int, float) and abs(value) <= _LARGEST for value in values)  # nan is not either


def _are_whole(*values: Any) -> bool:
    return all(type(value) is int for value in values)


def _range(low: Any, high: Any, step: Any, is_log: bool, *, is_whole: bool) -> dict[str, Any]:
    convert = int if is_whole else float
    content: dict[str, Any] = {"int" if is_whole else "float": [convert(low), convert(high)]}
    if is_log:
        return {**content, "log": True}
    return content if step in (None, 1) and (is_whole or step is None) else {**content, "step": step}


def _hydra_sweeper(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The sweeper's part of a whole config, of only ``hydra:``, or of the sweeper's own file."""
    hydra = data.get("hydra", data)
    sweeper = hydra.get("sweeper", hydra) if isinstance(hydra, dict) else None
    if not isinstance(sweeper, dict):
        return None
    is_sweeper = "hydra" in data or "optuna" in str(data.get("_target_")) or "n_trials" in data
    has_space = any(isinstance(sweeper.get(key), dict) for key in ("params", "search_space"))
    return sweeper if is_sweeper and has_space else None


def _draft_hydra(sweeper: Mapping[str, Any], data: Mapping[str, Any], stem: str) -> Draft:
    directions = sweeper.get("direction", "minimize")
    several = directions if isinstance(directions, list) else [directions]
    names = ["value"] if len(several) == 1 else [f"value_{i}" for i in range(len(several))]
    space = sweeper.get("params") or sweeper.get("search_space")
    trials = sweeper.get("n_trials")
    return Draft(
        name_like(str(sweeper.get("study_name") or stem)),
        {"command": ["python", "train.py", "{overrides}"]},
        dict(zip(names, map(_direction, several), strict=True)),
        [_hydra_parameter(str(name), content) for name, content in (space or {}).items()],
        trials=trials if isinstance(trials, int) and trials > 0 else 100,
        sampler=_hydra_sampler(sweeper, data),
        notes=[
            "name the script in the command; {overrides} stands for lr=0.1 depth=3, in Hydra's syntax",
            'the task\'s return value is not read: make it print {"value": 0.1}, or set patterns',
        ],
    )


def _hydra_sampler(sweeper: Mapping[str, Any], data: Mapping[str, Any]) -> str | None:
    target = str((sweeper.get("sampler") or {}).get("_target_", "")).lower()
    defaults = data.get("defaults") if isinstance(data.get("defaults"), list) else []
    assert isinstance(defaults, list)
    named = [str(v) for each in defaults if isinstance(each, dict) for k, v in each.items() if "sampler" in str(k)]
    words = [*named, target]
    return next((ours for theirs, ours in _HYDRA_SAMPLERS.items() if any(theirs in word for word in words)), None)


def _hydra_parameter(name: str, content: Any) -> DraftParameter:
    found = _hydra_mapping(content) if isinstance(content, dict) else _hydra_override(str(content))
    return DraftParameter(name, found, "" if found else f"{content}: {_UNREAD}")


def _hydra_mapping(content: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = content.get("type")
    if kind == "categorical" and isinstance(content.get("choices"), list):
        return {"choice": content["choices"]}
    if kind not in ("int", "float") or not _are_numbers(content.get("low"), content.get("high")):
        return None
    is_log = bool(content.get("log"))
    return _range(content["low"], content["high"], content.get("step"), is_log, is_whole=kind == "int")


def _hydra_override(text: str) -> dict[str, Any] | None:
    """The meaning of one override: ``interval(0, 1)``, ``range(1, 9, step=2)``, ``tag(log, …)``, ``a,b``."""
    match = re.fullmatch(r"\s*(\w+)\s*\((.*)\)\s*", text, re.DOTALL)
    if match is None:
        values = [parse_scalar(part.strip()) for part in _split(text)]
        return {"choice": values} if len(values) > 1 else {"const": values[0]}
    head, inner = match[1], match[2]
    if head in ("tag", "int", "float", "shuffle", "sort"):
        *tags, last = _split(inner)
        found = _hydra_override(last)
        return _changed(found, [tag.strip() for tag in tags], head) if found else None
    values = [parse_scalar(part.strip()) for part in _split(inner) if "=" not in part]
    if head == "choice":
        return {"choice": values}
    if head == "interval" and len(values) == 2 and _are_numbers(*values):
        return _range(values[0], values[1], None, False, is_whole=False)
    return _hydra_range(values, inner) if head == "range" else None


def _changed(found: Mapping[str, Any], tags: Sequence[str], head: str) -> dict[str, Any]:
    content = dict(found)
    if head == "int" and "float" in content:
        content = {"int": [int(bound) for bound in content.pop("float")], **content}
    return {**content, "log": True} if "log" in tags else content


def _hydra_range(values: Sequence[Any], inner: str) -> dict[str, Any] | None:
    """Hydra's range, which excludes its end."""
    step = re.search(r"step\s*=\s*([-\d.eE]+)", inner)
    width: Any = parse_scalar(step[1]) if step else (values[2] if len(values) > 2 else 1)
    start: Any
    stop: Any
    start, stop = values[:2] if len(values) > 1 else (0, values[0] if values else None)
    if not _are_numbers(start, stop, width) or width <= 0 or stop <= start:
        return None
    last = start + (math.ceil((stop - start) / width - 1e-9) - 1) * width
    return _range(start, last, width, False, is_whole=_are_whole(start, stop, width))


def _split(text: str) -> list[str]:
    """The parts between commas that are outside brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts
