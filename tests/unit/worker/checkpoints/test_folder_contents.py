"""What a folder of checkpoints holds is written down, checked, and never leads out of the folder."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.worker.checkpoints.folder_contents import FolderContents, object_name

PARTS = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60)
NAMES = st.lists(PARTS.filter(lambda part: part not in (".", "..")), min_size=1, max_size=3).map("/".join)


def fill(folder: Path) -> None:
    (folder / "step-1" / "shards").mkdir(parents=True)
    (folder / "step-1" / "weights").write_text("12345")
    (folder / "step-1" / ".index").write_text("i")
    (folder / "step-1" / "latest").symlink_to("weights")
    (folder / "empty").mkdir()
    (folder / ".half").write_text("being written")
    (folder / "result.json").write_text("{}")


def test_all_that_was_finished_is_in_it(tmp_path: Path) -> None:
    fill(tmp_path)
    contents = FolderContents.of(tmp_path)
    assert contents.files == {"step-1/weights": 5, "step-1/.index": 1}
    assert contents.folders == ("empty", "step-1/shards")
    assert contents.links == {"step-1/latest": "weights"}
    assert contents.size == 6


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert FolderContents.of(tmp_path / "none") == FolderContents()


@pytest.mark.parametrize("target", ["../outside", "/etc/hostname"])
def test_a_link_that_leads_out_becomes_the_file_it_leads_to(tmp_path: Path, target: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "outside").write_text("abc")
    (folder / "link").symlink_to(target)
    contents = FolderContents.of(folder)
    assert contents.links == {}
    assert list(contents.files) == ["link"]


def test_a_changed_file_is_seen_though_it_has_its_size(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("12345")
    before = FolderContents.of(tmp_path)
    assert FolderContents.of(tmp_path) == before
    (tmp_path / "new").write_text("54321")
    (tmp_path / "new").replace(tmp_path / "weights")
    assert FolderContents.of(tmp_path) != before


def test_it_is_made_again_elsewhere(tmp_path: Path) -> None:
    fill(tmp_path / "one")
    contents = FolderContents.from_json(FolderContents.of(tmp_path / "one").to_json())
    other = tmp_path / "other"
    contents.make_folders(other)
    for name in contents.files:
        (other / name).write_bytes((tmp_path / "one" / name).read_bytes())
    contents.make_links(other)
    contents.check_sizes(other)
    assert FolderContents.of(other).to_json() == contents.to_json()
    assert (other / "step-1" / "latest").read_text() == "12345"
    (other / "step-1" / "weights").write_text("1")
    with pytest.raises(FileNotFoundError, match="step-1/weights does not have 5 bytes"):
        contents.check_sizes(other)


def manifest(**changed: Any) -> str:
    return json.dumps({"format": 1, "files": {"a": 1}, "folders": [], "links": {}} | changed)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "3", "{}", manifest()[:-5], manifest(format=2), manifest(files=None), manifest(links=3),
        manifest(files={"../a": 1}), manifest(files={"/a": 1}), manifest(files={"": 1}),
        manifest(files={"a/../../b": 1}),
        manifest(folders=["a/.."]), manifest(links={"a": "/etc"}), manifest(links={"a": "../b"}),
        manifest(links={"d/a": "../../b"}), manifest(links={"a": "b/../../c/b"}), manifest(files={"a\0": 1}),
        manifest(links={"a": "b\0"}), manifest(files={3: 1}, links=["a"]),
    ],
)  # fmt: skip
def test_no_manifest_leads_out_of_its_folder(text: str) -> None:
    with pytest.raises(FileNotFoundError, match="manifest"):
        FolderContents.from_json(text)


def test_a_link_may_go_up_and_down_inside() -> None:
    text = manifest(links={"d/e/a": "../../b", "d/c": "../d/e/a"})
    assert FolderContents.from_json(text).links["d/e/a"] == "../../b"


@given(NAMES)
def test_a_name_becomes_one_that_every_store_takes(name: str) -> None:
    written = object_name(name)
    assert all(character.isascii() and (character.isalnum() or character in "/_.-~=") for character in written)
    assert written.count("/") == name.count("/")
    assert all(len(part) <= 200 for part in written.split("/"))


@given(st.lists(NAMES, unique=True, min_size=2, max_size=2))
def test_two_names_stay_two(names: list[str]) -> None:
    assert object_name(names[0]) != object_name(names[1])


def test_plain_names_stay_as_they_are_and_bytes_have_names_too() -> None:
    assert object_name("step-1/model_0.pt") == "step-1/model_0.pt"
    assert object_name(os.fsdecode(b"caf\xe9")) == "caf=E9"
    assert len(object_name("é" * 100)) == 64
