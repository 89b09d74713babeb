"""Every command that the code proposes, in a hint or anywhere else, exists with its options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from hpotool.cli.app import app
from hpotool.errors import _TAKE_VALUE, paste

PACKAGE = Path(__file__).parents[2] / "hpotool"


def text_of(node: ast.expr) -> str | None:
    """A string as it stands in the code; what is put into it becomes ``X``."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or "X" if isinstance(part, ast.Constant) else "X" for part in node.values)
    return None


def proposals(tree: ast.AST) -> Iterator[list[str]]:
    """The words after ``hpotool`` in strings and in calls of ``paste``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "paste":
            yield [text_of(word) or "X" for word in node.args]
        elif isinstance(node, (ast.Constant, ast.JoinedStr)):
            for line in re.findall(r"\bhpotool ([a-z][^\n`|#();,]*)", text_of(node) or ""):
                yield line.split()


COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


def mistakes(words: list[str]) -> list[str]:
    command = COMMANDS.get(words[0])
    for word in words[1:]:
        command = getattr(command, "commands", {}).get(word, command)
    options = [re.split(r"[=.:']", word)[0] for word in words if word.startswith("--") and word != "--"]
    if command is None:  # prose, where nothing looks like an option
        return [f"there is no {words[0]}"] if options and words[0] != "X" else []
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return [f"{words[0]} has no {option}" for option in options if option not in known]


def test_what_is_proposed_exists() -> None:
    proposed = [
        (str(path), words, mistakes(words)) for path, tree in modules("") for words in proposals(tree) if words
    ]
    assert len(proposed) > 300
    assert [each for each in proposed if each[2]] == []


def may_be_none(hint: ast.expr) -> bool:
    """Whether a hint is written as None, also in one of two cases."""
    if isinstance(hint, ast.IfExp):
        return may_be_none(hint.body) or may_be_none(hint.orelse)
    return isinstance(hint, ast.Constant) and not hint.value


def test_what_is_refused_has_a_hint() -> None:
    refusals = [
        (str(path), node)
        for path, tree in modules("Error")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("InputError", "NotFoundError")
    ]
    hints = [[*node.args[1:], *(keyword.value for keyword in node.keywords)] for _, node in refusals]
    without = [hint == [] or may_be_none(hint[0]) for hint in hints]
    assert len(refusals) > 100
    assert [
        (path, ast.unparse(node)) for (path, node), lacks in zip(refusals, without, strict=True) if lacks
    ] == []


def modules(word: str) -> Iterator[tuple[Path, ast.Module]]:
    """Those that have a word in their text."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if word in (text := path.read_text()):
            yield path.relative_to(PACKAGE), ast.parse(text)


def test_the_check_can_fail() -> None:
    tree = ast.parse("f'hpotool enqueue --form-study {name}'; paste('trails', '--study', name)")
    assert [bool(mistakes(words)) for words in proposals(tree)].count(True) >= 2


def unsafe_words(call: ast.Call) -> list[str]:
    """What a call of ``paste`` takes from elsewhere, and puts where it could be read as an option."""
    found, before = [], None
    for word in call.args[1:]:
        if text_of(word) == "--":
            break
        is_literal = isinstance(word, (ast.Constant, ast.Starred)) or "number" in ast.unparse(word).lower()
        is_text = isinstance(word, ast.JoinedStr) and (text_of(word) or "").startswith("--")  # --trial={number}
        if not (is_literal or is_text or before in _TAKE_VALUE):
            found.append(ast.unparse(word))
        before = text_of(word)
    return found


@pytest.mark.parametrize("module", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_name_is_put_where_it_could_be_an_option(module: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call)]
    found = [unsafe_words(call) for call in calls if isinstance(call.func, ast.Name) and call.func.id == "paste"]
    assert [words for words in found if words] == []


def test_options_before_a_text_take_a_value() -> None:
    params = [param for command in COMMANDS.values() for param in command.params]
    for option in _TAKE_VALUE:
        assert not any(param.is_flag for param in params if option in param.opts)
        assert any(option in param.opts for param in params), option


@pytest.mark.parametrize(
    ("name", "shown"), [("plain-1.2", "plain-1.2"), ("digits/run 1", "'digits/run 1'"), ("$(x)'", "'$(x)'\"'\"''")]
)
def test_a_name_is_quoted_for_a_shell_where_it_must_be(name: str, shown: str) -> None:
    assert paste("status", "--study", name) == f"hpotool status --study {shown}"
