"""What a final training has kept, and whether it repeated the one before."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpotool.analysis.finals.finals import Final
from hpotool.cli.commands.decide.run_final import _default_location, _refuse_missing, final_answer
from hpotool.cli.output import Format
from hpotool.errors import InputError
from tests.unit.cli.drawing import drawn, in_every_format

FILE = {"name": "model.pt", "bytes": 2048, "sha256": "ab" * 32}
FINAL = Final(30, "trial 12", "COMPLETE", {"loss": 0.25}, {"lr": 0.1}, "/kept/30", (FILE,))
EARLIER = Final(20, "trial 12", "COMPLETE", {"loss": 0.25}, {"lr": 0.1}, "/kept/20", (FILE,))
COMMAND = "hpotool run --study s --trial 12 --final"


def test_a_first_training_is_compared_with_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    answer = final_answer(FINAL, None, COMMAND)
    written = in_every_format(answer, capsys)
    assert answer.data["repeats"] is None
    assert written[Format.VALUE] == "/kept/30\n"
    table = written[Format.TABLE]
    assert "30, the final training of trial 12" in table
    assert "compared" not in table
    assert COMMAND in table


def test_a_second_one_says_whether_it_repeated_the_first() -> None:
    same = final_answer(FINAL, EARLIER, COMMAND).data["repeats"]
    assert (same["trial"], same["is_same"]) == (20, True)
    other = Final(31, "trial 12", "COMPLETE", {"loss": 0.26}, {}, "/kept/31", ({**FILE, "sha256": "cd" * 32},))
    answer = final_answer(other, EARLIER, COMMAND)
    assert answer.data["repeats"]["is_same"] is False
    assert answer.picture is not None
    text = " ".join(drawn(answer.picture(), 300).split())
    assert "not the same as trial 20 before: loss is 0.26, and was 0.25; model.pt has another content" in text


def test_a_training_without_files_has_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    bare = Final(30, "trial 12", "COMPLETE", {}, {}, None)
    written = in_every_format(final_answer(bare, None, COMMAND), capsys)
    assert "sha256" not in written[Format.TABLE]
    assert written[Format.VALUE] == ""


def test_data_that_is_not_there_is_refused_by_all_their_names(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.touch()
    _refuse_missing([])
    _refuse_missing([there, tmp_path])
    with pytest.raises(InputError, match=r"there is nothing at .*one, .*two") as refused:
        _refuse_missing([there, tmp_path / "one", tmp_path / "two"])
    assert str(Path.cwd()) in (refused.value.hint or "")


def test_each_training_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPOTOOL_HOME", str(tmp_path))
    first, second = _default_location("a/b", 7), _default_location("a/b", 7)
    assert first != second
    assert first.parent == second.parent == tmp_path / "artifacts" / "a%2Fb"
    assert first.is_dir()
