"""Drafts a study file from a Python script, without running it: from its argparse or click options, or its
``suggest_*`` calls.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hpotool.errors import InputError
from hpotool.study.doors import to_json
from hpotool.study.draft.write import Draft, DraftParameter, name_like

_SUGGEST = {"suggest_float": "float", "suggest_int": "int", "suggest_categorical": "choice"}
# Words in the names of options that are rarely tuned.
_KEPT = re.compile(
    "epoch|step|iter|iteration|seed|device|cuda|gpu|worker|thread|data|dataset|path|dir|folder|file|out|output|log|"
    "save|name|config|resume|checkpoint|ckpt|port|host|rank|verbose|debug|project|every|interval|patience|eval|test|"
    "model|root|url"
)
_FRACTION = re.compile(r"drop|momentum|beta|gamma|rho|ratio|fraction|prob|subsample|colsample|mixup|smoothing")
_METRIC = re.compile(r"acc|auc|f1|score|loss|err|rmse|mae|mse|perplex|ppl|bleu|wer|reward|precision|recall|r2")
_LOWER = re.compile(r"loss|err|rmse|mae|mse|perplex|ppl|wer")
_NAMED_NUMBER = re.compile(r"([A-Za-z_][\w/.-]*)(\s*[:=]?\s*)$")


def draft_script(text: str, path: str, module: str) -> Draft:
    """A draft for the script's ``text``; ``path`` names it in a command, ``module`` in Python.

    Raises:
        InputError: it is not valid Python, or has neither options nor suggestions.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise InputError(
            f"{path}:{line}: this is not valid Python: {error.args[0]}", f"python -m py_compile {path}"
        ) from None
    function = _objective(tree)
    if function is not None:
        return _draft_function(function, tree, module)
    options = _unique(_options(tree))
    if not options:
        raise InputError(
            f"{path} has no argparse options and no suggest_… calls to read",
            "write the study file by hand: docs/study-file.md, or give its flags to hpotool create-study",
        )
    return _draft_command(options, tree, path, module)


def _draft_command(options: Sequence[DraftParameter], tree: ast.AST, path: str, module: str) -> Draft:
    objective: dict[str, Any] = {"command": ["python", path, "{args}"]}
    printed = _printed_metrics(tree)
    notes = [
        "the ranges are guesses around the defaults: adjust them",
        "{args} stands for --lr 0.1 --depth 3 and so on",
    ]
    if printed:
        name = _likeliest(printed)
        objective["patterns"] = {name: printed[name]}
    else:
        name = "val_loss" if any(option.name == "loss" for option in options) else "loss"
        notes.append('the script\'s output is unknown: make it print {"loss": 0.1}, or set objective.patterns')
    if all(option.is_out for option in options):
        notes.append("no option looks like one to tune; uncomment some")
    return Draft(name_like(module), objective, {name: _direction(name)}, options, notes=notes)


def _draft_function(function: ast.FunctionDef, tree: ast.AST, module: str) -> Draft:
    directions = _directions(tree)
    names = _returned(function)
    if len(names) != len(directions):
        names = ["value"] if len(directions) == 1 else [f"value_{i}" for i in range(len(directions))]
    return Draft(
        name_like(module.rpartition(".")[2]),
        {"python": f"{module}:{function.name}"},
        dict(zip(names, directions, strict=True)),
        _unique(_suggestions(function)),
        has_space=False,
    )


def _unique(parameters: Iterator[DraftParameter]) -> list[DraftParameter]:
    """Each name once, at its first occurrence."""
    found: dict[str, DraftParameter] = {}
    for parameter in parameters:
        found.setdefault(parameter.name, parameter)
    return list(found.values())


def _objective(tree: ast.AST) -> ast.FunctionDef | None:
    """The first function that suggests something, the outermost one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.args.args and any(_suggestions(node)):
            return node
    return None


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return iter(sorted(calls, key=lambda call: (call.lineno, call.col_offset)))


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _literal(node: ast.AST | None) -> Any:
    """What the node says, as JSON data; None where only running it would tell, or a study file cannot say it."""
    try:
        return None if node is None else to_json(ast.literal_eval(node))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _choices(node: ast.AST | None) -> list[Any]:
    found = _literal(node)
    return list(found) if isinstance(found, (list, str)) else []


def _keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def _suggestions(function: ast.AST) -> Iterator[DraftParameter]:
    for call in _calls(function):
        kind = _SUGGEST.get(_called(call))
        words = dict(zip(("name", "low", "high"), call.args, strict=False)) | _keywords(call)
        name = _literal(words.get("name"))
        if kind is None or not isinstance(name, str):
            continue
        if kind == "choice":
            choices = _choices(words.get("choices") or words.get("low"))
            yield DraftParameter(name, {"choice": choices} if choices else None, "" if choices else "in the code")
            continue
        bounds = [_literal(words.get("low")), _literal(words.get("high"))]
        content: dict[str, Any] = {kind: bounds}
        content |= {key: _literal(words[key]) for key in ("log", "step") if _literal(words.get(key))}
        is_known = None not in bounds
        yield DraftParameter(name, content if is_known else None, "" if is_known else "its range is in the code")


def _directions(tree: ast.AST) -> list[str]:
    for call in _calls(tree):
        if _called(call) == "create_study":
            words = _keywords(call)
            several = _literal(words.get("directions"))
            found = list(several) if isinstance(several, (list, tuple)) else [_literal(words.get("direction"))]
            return [each if each in ("minimize", "maximize") else "minimize" for each in found]
    return ["minimize"]


def _returned(function: ast.FunctionDef) -> list[str]:
    """The names in the function's last return statement, if they are names."""
    returns = [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value]
    if not returns:
        return []
    last = max(returns, key=lambda node: node.lineno)
    parts = last.elts if isinstance(last, ast.Tuple) else [last]
    return [part.id for part in parts if isinstance(part, ast.Name)]


def _options(tree: ast.AST) -> Iterator[DraftParameter]:
    for call in _calls(tree):
        if _called(call) not in ("add_argument", "option"):
            continue
        flags = [_literal(argument) for argument in call.args]
        long = [flag for flag in flags if isinstance(flag, str) and flag.startswith("--") and len(flag) > 2]
        if long:
            yield _option(long[0][2:].partition("/")[0], _keywords(call))


def _option(name: str, words: Mapping[str, ast.expr]) -> DraftParameter:
    default, choices = _literal(words.get("default")), _literal(words.get("choices"))
    given = "" if default is None else f"default {default!r}"
    is_kept = any(_KEPT.fullmatch(word.rstrip("s")) for word in re.split(r"[-_.]", name.lower()))
    if isinstance(choices, (list, tuple)) and choices:
        return DraftParameter(name, {"choice": list(choices)}, given, is_kept)
    if "action" in words or "is_flag" in words or isinstance(default, bool):
        return DraftParameter(name, None, "a switch: to tune it with {choice: [...]}, make it take a value")
    kind = getattr(words.get("type"), "id", "") or type(default).__name__
    number = default if type(default) in (int, float) and abs(default) < math.inf else None
    if kind == "float":
        return DraftParameter(name, _float_range(name, number), given or "choose a range", is_kept)
    if kind == "int":
        return DraftParameter(name, _int_range(number), given or "choose a range", is_kept)
    needs = "required: give it a value in the command" if _literal(words.get("required")) else "a text"
    return DraftParameter(name, None, given or needs)


def _float_range(name: str, default: float | None) -> dict[str, Any]:
    if _FRACTION.search(name.lower()) and (default is None or 0 <= default <= 1):
        return {"float": [0.0, 0.99]}
    if default is None or default == 0:
        return {"float": [0.0, 1.0]}
    ends = sorted((float(f"{default / 10:.3g}"), float(f"{default * 10:.3g}")))
    return {"float": ends, "log": True} if default > 0 else {"float": ends}


def _int_range(default: float | None) -> dict[str, Any]:
    if default is None or default < 1:
        return {"int": [0, 10]}
    number = int(default)
    content: dict[str, Any] = {"int": [max(1, number // 4), number * 4]}
    return {**content, "log": True} if number >= 8 else content


def _printed_metrics(tree: ast.AST) -> dict[str, str]:
    """Names that are printed before a number, as by ``f"val_loss {x:.4f}"``, each with a matching pattern."""
    found: dict[str, str] = {}
    for text in (text for node in ast.walk(tree) for text in _texts_before_numbers(node)):
        match = _NAMED_NUMBER.search(text)
        if match and _METRIC.search(match[1].lower()):
            sign = re.escape(match[2].strip())
            found[match[1]] = rf"{re.escape(match[1])}\s*{sign}\s*([-+.\deE]+)"
    return found


def _texts_before_numbers(node: ast.AST) -> Iterator[str]:
    """The texts before values in an f-string, and before the arguments of ``print("val_loss", x)``."""
    if isinstance(node, ast.JoinedStr):
        for text, value in zip(node.values, node.values[1:], strict=False):
            if isinstance(text, ast.Constant) and isinstance(value, ast.FormattedValue):
                yield str(text.value)
    elif isinstance(node, ast.Call) and _called(node) == "print":
        for text, value in zip(node.args, node.args[1:], strict=False):
            is_value = not isinstance(value, (ast.Constant, ast.JoinedStr))
            if is_value and isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield f"{text.value} "


def _likeliest(names: Mapping[str, str]) -> str:
    """The metrics measured on held-out data, if there are any."""
    return next(
        (name for name in names if re.match(r"(val|valid|test|dev|eval)", name.lower())), next(iter(names))
    )


def _direction(name: str) -> str:
    return "minimize" if _LOWER.search(name.lower()) else "maximize"
