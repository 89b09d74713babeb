"""What would be removed is told by kind, with a few names; and nothing is removed that nobody confirmed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from hpotool.cli.commands.keep.clean import _ask, _bytes, _missing, _say_what
from hpotool.errors import InputError, NotFoundError
from hpotool.worker.checkpoints.leftovers import Leftover


def leftover(kind: str, name: str, size: int = 1024) -> Leftover:
    return Leftover(kind, name, size, lambda: None)


def test_each_kind_is_a_line_with_three_names_and_how_many_more(capsys: pytest.CaptureFixture[str]) -> None:
    found = [leftover("logs", f"log {place}") for place in range(5)]
    _say_what([*found, leftover("checkpoints", "trial-1", 3 << 20)])
    assert capsys.readouterr().err.splitlines() == [
        "no longer needed:",
        "  logs: 5 KiB in 5: log 0, log 1, log 2 and 2 more",
        "  checkpoints: 3 MiB in 1: trial-1",
    ]


@pytest.mark.parametrize(("sizes", "said"), [([], "0 B"), ([1], "1 B"), ([1023], "1023 B"), ([512, 512], "1 KiB")])
def test_sizes_add_up(sizes: list[int], said: str) -> None:
    assert _bytes([leftover("logs", "x", size) for size in sizes]) == said


def test_without_a_terminal_nothing_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(InputError, match="nothing was removed") as refused:
        _ask()
    assert refused.value.hint == "hpotool clean --yes"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("known", "gone%2Fstudy", "old"):
        (tmp_path / "logs" / name).mkdir(parents=True)
    return tmp_path


def test_a_study_that_no_database_has_is_kept_unless_its_removal_was_asked_for(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _missing(home, None, {"known"}, deleted=False) == []
    said = capsys.readouterr().err
    assert "kept, because the database has no such study: gone/study, old" in said
    assert "add --deleted" in said
    assert [study.name for study in _missing(home, None, {"known"}, deleted=True)] == ["gone/study", "old"]


def test_a_deleted_study_can_be_named_and_one_that_never_was_is_not_found(home: Path) -> None:
    [named] = _missing(home, "gone/study", {"known"}, deleted=False)
    assert (named.name, named.is_over) == ("gone/study", True)
    assert _missing(home, "known", {"known"}, deleted=False) == []
    with pytest.raises(NotFoundError, match="study 'nope' is neither in the database nor on this machine"):
        _missing(home, "nope", {"known"}, deleted=False)
