"""Options that exclude each other."""

from __future__ import annotations

import pytest

from hpotool.cli.options import refuse_study_beside_pool
from hpotool.errors import InputError


def test_a_study_on_the_command_line_is_refused_beside_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HPOTOOL_STUDY", raising=False)
    with pytest.raises(InputError, match="either") as refused:
        refuse_study_beside_pool("digits", "either one or the other", "hpotool worker --pool gpus")
    assert refused.value.hint == "hpotool worker --pool gpus"


@pytest.mark.parametrize("study", [None, "digits"])
def test_none_is_not_and_neither_is_the_one_of_the_environment(
    study: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPOTOOL_STUDY", "digits")
    refuse_study_beside_pool(study, "either one or the other", "a hint")


def test_another_one_than_that_of_the_environment_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPOTOOL_STUDY", "digits")
    with pytest.raises(InputError):
        refuse_study_beside_pool("cifar", "either one or the other", "a hint")
