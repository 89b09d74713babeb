"""What came of an import, and which sources take which options."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpotool.cli.commands.keep.import_study import _read, _say
from hpotool.errors import HpotoolError, InputError
from hpotool.storage.moving.import_study import Imported


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (Imported("a", "a", 12, 0, 0), ["a: 12 trials imported"]),
        (Imported("a", "a", 1, 0, 0), ["a: 1 trial imported"]),
        (Imported("a", "a", 0, 0, 0), ["a: 0 trials imported"]),
        (Imported("a", "b", 3, 0, 0), ["b (named 'a' there): 3 trials imported"]),
        (Imported("a", "a", 3, 7, 0), ["a: 3 trials imported; 7 were already here"]),
        (Imported("a", "a", 0, 7, 0), ["a: nothing new; its 7 trials are already here"]),
        (
            Imported("a", "a", 5, 0, 2),
            ["a: 5 trials imported", "  2 of them had not ended there and were imported as failed"],
        ),
    ],
)
def test_each_study_is_told_in_a_sentence(
    done: Imported, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _say(done)
    assert capsys.readouterr().err.splitlines() == said


def test_metrics_are_only_for_tables(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--metric is only for CSV files"):
        _read("sqlite:///old.db", [], ["loss:minimize"])
    table = tmp_path / "T.CSV"
    table.write_text("lr,loss\n0.1,0.5\n0.2,0.4\n")
    [study] = _read(str(table), ["mine"], ["loss:minimize"])
    assert study.name == "mine"


@pytest.mark.parametrize(
    ("text", "names", "metrics"),
    [
        ("lr,loss\n0.1,0.5\n", [], ["loss:minimize"]),
        ("lr,loss\n0.1,0.5\n", ["a", "b"], ["loss:minimize"]),
        ("lr,loss\n0.1,0.5\n", ["a"], []),
        ("lr,loss\n0.1,0.5\n", ["a"], ["loss"]),
        ("lr,loss\n0.1,0.5\n", ["a"], ["loss:smaller"]),
        ("lr,loss\n0.1,0.5\n", ["a"], ["acc:maximize"]),
        ("lr,loss\n0.1\n", ["a"], ["loss:minimize"]),
        ("lr,loss\n0.1,high\n", ["a"], ["loss:minimize"]),
        ("", ["a"], ["loss:minimize"]),
    ],
)
def test_a_table_that_is_not_complete_is_refused_with_a_hint(
    text: str, names: list[str], metrics: list[str], tmp_path: Path
) -> None:
    table = tmp_path / "t.csv"
    table.write_text(text)
    with pytest.raises(HpotoolError) as refused:
        _read(str(table), names, metrics)
    assert refused.value.hint
