"""Which studies are plotted, and into which file."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from hpotool.cli.commands.look.plot import What, _default_path, _names


def context(source: str | None) -> Any:
    found = None if source is None else SimpleNamespace(name=source)
    return SimpleNamespace(get_parameter_source=lambda _: found)


@pytest.mark.parametrize(
    ("source", "study", "more", "names"),
    [
        ("COMMANDLINE", "a", [], ["a"]),
        ("COMMANDLINE", "a", ["b", "c"], ["a", "b", "c"]),
        ("COMMANDLINE", "a", ["a"], ["a"]),
        ("ENVIRONMENT", "usual", [], ["usual"]),
        ("ENVIRONMENT", "usual", ["b", "c"], ["b", "c"]),
        ("DEFAULT", None, [], [None]),
        (None, None, ["b", "b"], ["b"]),
    ],
)
def test_names_on_the_line_count_more_than_the_environment(
    source: str | None, study: str | None, more: list[str], names: list[str | None]
) -> None:
    assert _names(context(source), study, more) == names


@pytest.mark.parametrize(
    ("studies", "path"),
    [(["digits"], "digits-slice.html"), (["a/b"], "a%2Fb-slice.html"), (["a", ".."], "a-%2E%2E-slice.html")],
)
def test_a_file_is_named_after_the_studies_and_stays_in_its_folder(studies: list[str], path: str) -> None:
    made = [optuna.create_study(study_name=name) for name in studies]
    found = _default_path(made, What.SLICE)
    assert found == Path(path)
    assert found.parent == Path()


def test_every_kind_of_plot_can_be_asked_for() -> None:
    from typing import get_args

    from hpotool.analysis.pictures.picture import Plot

    assert {what.value for what in What} == set(get_args(Plot))
