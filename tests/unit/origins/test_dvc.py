from __future__ import annotations

from pathlib import Path

import pytest

from hpotool.origins.dvc import read_dvc

ONE = "outs:\n- md5: 22a1a2931c8370d3aeedd7183606fd7f\n  size: 3\n  hash: md5\n  path: rows.csv\n"


def test_the_hash_is_dvcs_own_and_the_data_need_not_be_here(tmp_path: Path) -> None:
    (tmp_path / "rows.csv.dvc").write_text(ONE)
    assert read_dvc(tmp_path / "rows.csv.dvc") == {"hash": "22a1a2931c8370d3aeedd7183606fd7f", "bytes": 3}


def test_data_that_is_certainly_another_version_is_told(tmp_path: Path) -> None:
    (tmp_path / "rows.csv.dvc").write_text(ONE)
    (tmp_path / "rows.csv").write_text("123")
    assert "trouble" not in read_dvc(tmp_path / "rows.csv.dvc")
    (tmp_path / "rows.csv").write_text("12345")
    assert "dvc checkout" in read_dvc(tmp_path / "rows.csv.dvc")["trouble"]


def test_a_folder_and_several_outputs_have_one_hash(tmp_path: Path) -> None:
    folder = "outs:\n- md5: aa.dir\n  size: 5\n  nfiles: 2\n  path: train\n"
    (tmp_path / "train.dvc").write_text(folder)
    (tmp_path / "train").mkdir()
    assert read_dvc(tmp_path / "train.dvc") == {"hash": "aa.dir", "bytes": 5}
    (tmp_path / "both.dvc").write_text(f"{folder}- etag: bb\n  path: test\n")
    assert read_dvc(tmp_path / "both.dvc")["hash"] == "test bb train aa.dir"


@pytest.mark.parametrize(
    "text", ["", "[1]", "outs: []", "outs: [{path: x}]", "outs: 5", "outs: {a: b}", "a: [", "\0"]
)
def test_any_other_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.dvc").write_text(text)
    with pytest.raises(ValueError, match=r"x\.dvc is no \.dvc file"):
        read_dvc(tmp_path / "x.dvc")
