"""Every study file in studies/ is read without a problem."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpotool.study.file.reader import read_study_file
from hpotool.study.spec import StudySpec

FILES = sorted((Path(__file__).parents[4] / "studies").glob("*.yaml"))


def read(path: Path) -> StudySpec:
    return read_study_file(path.read_text(), path.name)


def test_there_are_examples() -> None:
    assert len(FILES) >= 6


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_study_is_read_and_named_after_its_file(path: Path) -> None:
    spec = read(path)
    assert spec.name == path.stem.replace("_", "-")
    assert spec.budget.trials is not None
