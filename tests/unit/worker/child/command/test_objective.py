"""A command that cannot run anywhere is refused before a trial is claimed for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpotool.errors import InputError
from hpotool.study.spec import ObjectiveSpec
from hpotool.worker.child.command.objective import _fill_constant, check_command, describe_missing

HERE = {"PATH": "/usr/bin:/bin", "DATA": "/data"}


@pytest.mark.parametrize(
    ("template", "filled"),
    [("./train", "./train"), ("${DATA}/x", "/data/x"), ("--lr={lr}", None), ("${DATA}/{kind}", None), ("", "")],
)
def test_an_argument_is_constant_if_no_parameter_is_in_it(template: str, filled: str | None) -> None:
    assert _fill_constant(template, HERE) == filled


def test_a_command_that_is_there_is_taken() -> None:
    check_command(ObjectiveSpec(command=("sh", "-c", "exit 0", "{lr}")), HERE)


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="there is no program 'no-such-program' here"):
        check_command(ObjectiveSpec(command=("no-such-program", "{lr}")), HERE)


def test_a_program_that_a_parameter_chooses_is_found_out_by_its_trial() -> None:
    check_command(ObjectiveSpec(command=("{program}",)), HERE)


def test_a_script_that_is_not_there_is_named_with_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    python = ObjectiveSpec(command=("python3", "train.py", "{lr}"))
    with pytest.raises(InputError, match=r"there is no file 'train\.py' here") as caught:
        check_command(python, HERE)
    assert caught.value.hint == f"it was looked up in {tmp_path}, the working directory"
    (tmp_path / "train.py").touch()
    check_command(python, HERE)


@pytest.mark.parametrize("in_environment", [False, True])
def test_a_variable_that_is_not_set_is_named(in_environment: bool) -> None:
    text = "${NO_SUCH_VARIABLE}"
    spec = (
        ObjectiveSpec(command=("sh",), environment={"A": text})
        if in_environment
        else ObjectiveSpec(command=("sh", text))
    )
    with pytest.raises(InputError, match="NO_SUCH_VARIABLE"):
        check_command(spec, HERE)


def test_a_command_without_a_result_is_told_what_is_known_of_each_metric() -> None:
    said = "the command exited with 0, but reported no value for 'loss'"
    assert describe_missing(["loss"], []) == said
    hint = "no line matched its pattern"
    assert describe_missing(["loss", "size"], [hint]) == f"{said}, 'size'; {hint}"
