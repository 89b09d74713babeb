"""A name in a study file becomes an object of the right kind, or one sentence that says why not."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, RandomSampler

from hpotool.errors import InputError
from hpotool.search.build import check_arguments, construct, load_class
from hpotool.study.file.grammar.algorithms import PRUNERS, SAMPLERS


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("nope:X", "cannot be imported"),
        ("a b:c", "cannot be imported"),
        (":X", "is not written as module:Class"),
        (".x:Y", "is not written as module:Class"),
        ("..:X", "is not written as module:Class"),
        ("", "is not written as module:Class"),
        ("os:", "has no ''"),
        ("os:path.missing", "has no 'path.missing'"),
        ("json:JSONDecoder", "is not a sampler"),
        ("os:path.join", "is not a sampler"),
        ("optuna.samplers:BaseSampler", "does not accept its arguments"),
        ("optuna.samplers:GridSampler", "does not accept its arguments"),
        ("optuna.pruners:MedianPruner", "is not a sampler"),
    ],
)
def test_a_reference_that_is_no_class_of_that_kind_is_an_input_error(reference: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        load_class(reference, BaseSampler, "sampler", {})
    assert says in refused.value.message
    assert "\n" not in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("reference", ["optuna.samplers:GridSampler", "tests.unit.search.test_build:Inside.Picky"])
def test_what_a_class_accepts_is_one_command_away(reference: str) -> None:
    with pytest.raises(InputError, match="does not accept its arguments") as refused:
        load_class(reference, BaseSampler, "sampler", {"nope": 1})
    command = str(refused.value.hint).partition("python ")[2]
    done = subprocess.run(
        ["sh", "-c", f"{shlex.quote(sys.executable)} {command}"],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PAGER": "cat"},
        capture_output=True,
        text=True,
    )
    assert f"class {reference.rpartition('.')[2].rpartition(':')[2]}" in done.stdout, done.stderr


def write_module(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module in the working folder."""
    (folder / f"{name}.py").write_text(text)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))


UNUSUAL = {
    "key": ("raise KeyError('lr')", "KeyError: 'lr'"),
    "exit": ("import sys; print('bye'); sys.exit(0)", "SystemExit: 0"),
    "exit without a word": ("raise SystemExit", "SystemExit"),
    "own": ("raise type('Own', (BaseException,), {})('mine')", "Own: mine"),
    "many lines": ("raise RuntimeError('one\\ntwo')", "RuntimeError: one two"),
    "unshowable": (
        "raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})()",
        "Odd: it cannot be shown",
    ),
    "recursion": ("(lambda f: f(f))(lambda f: f(f))", "RecursionError: maximum recursion depth exceeded"),
}


@pytest.mark.parametrize("kind", UNUSUAL)
@pytest.mark.parametrize("place", ["import", "name", "constructor"])
def test_whatever_somebodys_class_raises_is_one_sentence_with_its_place(
    place: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder in which a worker is started counts, as for an objective."""
    code, said = UNUSUAL[kind]
    name = f"unusual_{place}_{kind.replace(' ', '_')}"
    module = {
        "import": f"{code}\n",
        "name": "def __getattr__(name):\n    if name.startswith('__'):\n        raise AttributeError\n"
        f"    {code}\n",
        "constructor": "from optuna.samplers import RandomSampler\n\nclass Mine(RandomSampler):\n"
        f"    def __init__(self, seed=None):\n        {code}\n",
    }[place]
    write_module(tmp_path, name, module, monkeypatch)
    with pytest.raises(InputError) as refused:
        load_class(f"{name}:Mine", BaseSampler, "sampler", {})
    fails = "created" if place == "constructor" else "imported"
    assert refused.value.message.startswith(f"the sampler '{name}:Mine' cannot be {fails}: {said}")
    assert f"{tmp_path / name}.py" in refused.value.hint or kind == "recursion"
    sys.modules.pop(name, None)


def test_the_line_that_is_named_is_that_of_somebodys_code_and_not_of_a_library_it_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "site-packages"
    library.mkdir()
    write_module(library, "a_library", "def fail():\n    raise RuntimeError('no')\n", monkeypatch)
    monkeypatch.syspath_prepend(library)
    write_module(tmp_path, "calls_a_library", "import a_library\n\na_library.fail()\n", monkeypatch)
    with pytest.raises(InputError) as refused:
        load_class("calls_a_library:Mine", BaseSampler, "sampler", {})
    assert f"line 3 of {tmp_path / 'calls_a_library'}.py" in refused.value.hint
    write_module(library, "an_installed_sampler", "import a_library\n\na_library.fail()\n", monkeypatch)
    with pytest.raises(InputError) as refused:
        load_class("an_installed_sampler:Mine", BaseSampler, "sampler", {})
    assert f"line 2 of {library / 'a_library'}.py" in refused.value.hint


def test_ctrl_c_during_the_import_is_not_the_modules_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_module(tmp_path, "pressed", "raise KeyboardInterrupt", monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        load_class("pressed:Mine", BaseSampler, "sampler", {})


def test_an_attribute_that_a_module_lacks_is_not_the_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_module(tmp_path, "lacking", "import os\nos.no_such_thing\n", monkeypatch)
    with pytest.raises(InputError, match=r"cannot be imported: AttributeError: module 'os' has no attribute"):
        load_class("lacking:Mine", BaseSampler, "sampler", {})


class Inside:
    """A sampler may be nested in another class."""

    class Picky(RandomSampler):
        """Accepts no argument of that name."""


@given(st.text(max_size=20))
def test_any_text_is_a_class_or_an_input_error(reference: str) -> None:
    with pytest.raises(InputError):
        load_class(reference, BasePruner, "pruner", {})


def test_a_class_gets_its_arguments_and_may_be_nested_in_another() -> None:
    found = load_class("optuna.samplers:RandomSampler", BaseSampler, "sampler", {"seed": 3})
    assert isinstance(found, RandomSampler)
    with pytest.raises(InputError, match="does not accept its arguments"):
        load_class("optuna.samplers:RandomSampler", BaseSampler, "sampler", {"sead": 3})


@pytest.mark.parametrize(("what", "known"), [("sampler", SAMPLERS), ("pruner", PRUNERS)])
def test_every_name_and_argument_of_the_tables_is_known_and_a_slip_is_corrected(what: str, known: Any) -> None:
    for name, row in known.items():
        required = {key: None for key, each in row.keys.items() if each.required}
        check_arguments(what, name, {**dict.fromkeys(row.keys), **required}, known)
        with pytest.raises(InputError, match=f"there is no {what}") as refused:
            check_arguments(what, f"{name}x", {}, known)
        assert name in str(refused.value.hint)
        for key in row.keys:
            with pytest.raises(InputError, match="has no argument") as refused:
                check_arguments(what, name, {f"{key}_": 1}, known)
            assert key in str(refused.value.hint)
        for key in required:
            with pytest.raises(InputError, match=f"needs '{key}'"):
                check_arguments(what, name, {other: 1 for other in required if other != key}, known)


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(InputError, match="needs the package 'no_such_package'") as refused:
        construct(dict, {}, "sampler", "x", ("no_such_package", "hpotool[x]"))
    assert refused.value.hint == "pip install 'hpotool[x]'"
