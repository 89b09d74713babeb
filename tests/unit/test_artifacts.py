"""What a final training keeps: whole or not at all, and never outside of its folder."""

from pathlib import Path

import pytest

import hpotool


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "kept"
    monkeypatch.setenv("HPOTOOL_ARTIFACTS", str(folder))
    return folder


def test_a_file_is_kept_under_its_own_or_another_name(kept: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.pt"
    file.write_text("weights")
    assert hpotool.log_artifact(file) == kept / "model.pt"
    assert hpotool.log_artifact(str(file), "best/weights.pt") == kept / "best" / "weights.pt"
    assert (kept / "best" / "weights.pt").read_text() == (kept / "model.pt").read_text() == "weights"


def test_a_folder_is_kept_whole_and_replaces_what_had_its_name(kept: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tokenizer"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "vocabulary").write_text("a b")
    hpotool.log_artifact(folder)
    (folder / "deep" / "vocabulary").unlink()
    (folder / "words").write_text("c")
    hpotool.log_artifact(folder)
    assert sorted(path.relative_to(kept).as_posix() for path in kept.rglob("*")) == [
        "tokenizer",
        "tokenizer/deep",
        "tokenizer/words",
    ]


def test_a_folder_gives_way_to_a_file_of_its_name(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").write_text("file")
    hpotool.log_artifact(tmp_path / "one", "model")
    hpotool.log_artifact(tmp_path / "two", "model")
    assert (kept / "model").read_text() == "file"


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/../../b", "", "."])
def test_no_name_leads_out_of_the_folder(name: str, kept: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="a path within its folder"):
        hpotool.log_artifact(tmp_path / "file", name)
    assert not kept.exists()


def test_what_is_not_there_cannot_be_kept(kept: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file to keep"):
        hpotool.log_artifact(tmp_path / "nothing")
    assert not kept.exists()


def test_where_nothing_is_kept_the_call_is_harmless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HPOTOOL_ARTIFACTS", raising=False)
    (tmp_path / "file").write_text("x")
    assert hpotool.log_artifact(tmp_path / "file") is None
