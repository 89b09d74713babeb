from pathlib import Path

import pytest

from hpotool.tracking.kept_files import CannotSendFilesError, KeptFiles


def kept(place: Path | str, **files: int) -> KeptFiles:
    return KeptFiles(str(place), tuple(files.items()))


@pytest.mark.parametrize("noted", [None, {}, {"place": "/x", "files": []}, {"files": [{"name": "a", "bytes": 1}]}])
def test_a_training_that_kept_nothing_has_no_files(noted: dict[str, object] | None) -> None:
    assert KeptFiles.of(noted) is None


def test_what_was_noted_is_what_there_is() -> None:
    noted = {"place": "/kept", "files": [{"name": "a/b.pt", "bytes": 3, "sha256": "0"}, {"name": "c", "bytes": 4}]}
    found = KeptFiles.of(noted)
    assert found == KeptFiles("/kept", (("a/b.pt", 3), ("c", 4)))
    assert found is not None
    assert found.size == 7


def test_files_are_read_where_they_lie(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    with kept(tmp_path, a=3).at_hand(3) as files:
        assert files == [("a", tmp_path / "a")]


def test_files_at_a_url_are_fetched_and_go_again(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_bytes(b"123")
    place = KeptFiles(f"file://{tmp_path}", (("sub/a", 3),))
    with place.at_hand(10) as [(name, path)]:
        assert (name, path.read_bytes()) == ("sub/a", b"123")
        assert not path.is_relative_to(tmp_path / "sub")
    assert not path.exists()


def test_files_at_a_url_that_is_away_are_said(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    for place in (f"file://{tmp_path}/none", "nosuch://bucket/files"):
        with pytest.raises(CannotSendFilesError, match="cannot be read from here"):
            KeptFiles(place, (("a", 3),)).at_hand(10).__enter__()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a": 3, "b": 2}, "5B are more than 4B"),
        ({"a": 2}, "a is not in .* as it was kept"),  # another size: it was written anew
        ({"gone": 1}, "gone is not in"),
        ({"../a": 3}, "does not lie in"),
        ({"/etc/hostname": 3}, "does not lie in"),
    ],
)
def test_all_files_are_sent_or_none(tmp_path: Path, files: dict[str, int], said: str) -> None:
    (tmp_path / "a").write_bytes(b"123")
    with pytest.raises(CannotSendFilesError, match=said):
        kept(tmp_path, **files).at_hand(4).__enter__()
