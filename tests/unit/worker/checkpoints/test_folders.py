import errno
from pathlib import Path

import pytest

from hpotool.worker.checkpoints.folders import (
    has_content,
    make_unless_full,
    read_or_empty,
    remove_folder,
    replace_folder,
    write_whole,
)


def test_a_folder_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "doomed" / "deep").mkdir(parents=True)
    (tmp_path / "doomed" / "deep" / "file").write_text("x")
    remove_folder(tmp_path / "doomed")
    assert list(tmp_path.iterdir()) == []
    remove_folder(tmp_path / "doomed")  # nothing is there any more


def test_of_a_link_nothing_that_it_leads_to_goes(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    remove_folder(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").exists()


def test_a_folder_takes_another_one_s_name(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    replace_folder(tmp_path / "old", tmp_path / "new")
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["old", "old/new"]


def test_what_a_finished_trial_was_worth_is_no_checkpoint(tmp_path: Path) -> None:
    assert not has_content(tmp_path / "none")
    (tmp_path / "result.json").touch()
    assert not has_content(tmp_path)
    (tmp_path / "step-1").mkdir()
    assert has_content(tmp_path)


def test_a_file_has_its_old_text_or_its_new_one(tmp_path: Path) -> None:
    path = tmp_path / "note"
    assert read_or_empty(path) == ""
    write_whole(path, "one")
    write_whole(path, "two")
    assert read_or_empty(path) == "two"
    assert [each.name for each in tmp_path.iterdir()] == ["note"]


def test_what_cannot_be_put_in_place_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "note").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "note", "text")
    assert [each.name for each in tmp_path.iterdir()] == ["note"]


def test_a_disk_without_room_costs_the_folder_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(error: OSError) -> None:
        monkeypatch.setattr(Path, "mkdir", lambda *_, **__: (_ for _ in ()).throw(error))

    refuse(OSError(errno.ENOSPC, "no space left"))
    make_unless_full(tmp_path / "a")
    assert "runs without a checkpoint folder" in caplog.text
    refuse(PermissionError(errno.EACCES, "not yours"))
    with pytest.raises(PermissionError):
        make_unless_full(tmp_path / "a")
