"""Each bad study file gets exactly the messages that stand in the golden file."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from hpotool.errors import StudyFileError
from hpotool.study.file.grammar.study import STUDY
from hpotool.study.file.reader import read_study_file

HEAD = "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n"
GOLDEN = Path(__file__).parent / "bad_study_files.yaml"
CASES: list[dict[str, Any]] = yaml.safe_load(GOLDEN.read_text())


def say(case: dict[str, Any]) -> list[str]:
    text = case["file"] if "file" in case else HEAD + case.get("add", "")
    with pytest.raises(StudyFileError) as raised:
        read_study_file(text, "study.yaml", case.get("set", []))
    return str(raised.value).split("\n")


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_a_bad_study_file_gets_these_messages(case: dict[str, Any]) -> None:
    every_key = ", ".join(STUDY.keys)
    assert say(case) == [message.replace("{every key}", every_key) for message in case["says"]]


def test_every_message_is_one_sentence_that_says_what_would_be_right() -> None:
    """As far as a machine can tell: an alternative, an instruction, or a suggestion, and no Python in it."""
    tells = ("expected", ";", "must", "cannot depend", "is never", "did you mean", " takes ", ": write")
    for case in CASES:
        for message in case["says"]:
            assert any(word in message for word in tells), message
            assert not any(word in message for word in ("Traceback", "NoneType", "<class", "Error:", "object at"))


def test_the_golden_file_has_each_case_once() -> None:
    names = [case["name"] for case in CASES]
    assert len(names) == len(set(names)) > 60
