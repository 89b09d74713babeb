"""What a final training leaves: named by its content, and with what it was made of."""

import hashlib
from pathlib import Path

from hpotool.origins.environment import read_environment
from hpotool.origins.hash_cache import hash_content
from hpotool.worker.final_training.keeper import RECIPE, hash_data, list_files


def test_files_are_listed_with_size_and_content_without_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "model.pt").write_bytes(b"weights")
    (tmp_path / "deep" / "words").write_bytes(b"")
    (tmp_path / RECIPE).write_text("{}")
    (tmp_path / "deep" / RECIPE).write_text("its own")
    assert list_files(tmp_path) == [
        {"name": f"deep/{RECIPE}", "bytes": 7, "sha256": hashlib.sha256(b"its own").hexdigest()},
        {"name": "deep/words", "bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()},
        {"name": "model.pt", "bytes": 7, "sha256": hashlib.sha256(b"weights").hexdigest()},
    ]


def test_a_folder_of_data_is_its_names_and_contents(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / "a.csv").write_text("1")
        (folder / "b.csv").write_text("2")
    assert hash_data(one) == hash_data(other)
    (other / "b.csv").rename(other / "c.csv")
    renamed = hash_data(other)
    (other / "c.csv").write_text("3")
    assert len({hash_data(one), renamed, hash_data(other)}) == 3
    assert hash_data(one / "a.csv") == hash_content(one / "a.csv")


def test_the_environment_names_python_and_every_package() -> None:
    found = read_environment()
    assert found["packages"]["optuna"].startswith("5.")
    assert {"python", "platform", "cpu", "packages"} <= set(found)
