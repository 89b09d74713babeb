"""A new name is one that a study file may have, and the folders on this machine follow it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpotool.cli.commands.keep.rename import _move_folders, check_new_name
from hpotool.errors import InputError


@pytest.mark.parametrize("name", ["a", "A-1_b.c", "0", "x" * 100])
def test_a_name_of_letters_digits_and_a_few_signs_is_taken(name: str) -> None:
    check_new_name(name, "rename", "old")


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("my/study", "like my-study"),
        ("my study", "like my-study"),
        ("-s", "like s"),
        (".hidden", "like hidden"),
        ("größe", "like gr-e"),
        ("", ""),
        ("///", ""),
        ("x" * 101, "at most 100"),
        ("a\nb", "like a-b"),
    ],
)
def test_another_one_is_refused_with_one_like_it_and_a_command(name: str, like: str) -> None:
    with pytest.raises(InputError) as refused:
        check_new_name(name, "rename", "my old study")
    assert like in refused.value.message
    assert refused.value.hint == "hpotool rename 'my old study' NEW_NAME"


def test_folders_are_renamed_and_one_that_is_in_the_way_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPOTOOL_HOME", str(tmp_path))
    for kind in ("logs", "checkpoints"):
        (tmp_path / kind / "old").mkdir(parents=True)
    (tmp_path / "checkpoints" / "new").mkdir()
    assert _move_folders("old", "new") == [tmp_path / "checkpoints" / "old"]
    assert (tmp_path / "logs" / "new").is_dir()
    assert not (tmp_path / "logs" / "old").exists()
    assert _move_folders("never", "was") == []
