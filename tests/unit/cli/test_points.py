from pathlib import Path

import pytest

from hpotool.cli.points import read_points
from hpotool.errors import HpotoolError


def test_pairs_are_one_point_with_values_as_a_person_means_them() -> None:
    assert read_points(["lr=1e-5", "depth=6", "booster=dart", "flag=true", "x=null", "eq=a=b"]) == [
        {"lr": 1e-5, "depth": 6, "booster": "dart", "flag": True, "x": None, "eq": "a=b"}
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", "lr,depth,booster\n1e-5,6,dart\n0.1,,gbtree\n"),
        ("p.json", '[{"lr": 1e-5, "depth": 6, "booster": "dart"}, {"lr": 0.1, "booster": "gbtree"}]'),
        ("p.yaml", "- {lr: 1e-5, depth: 6, booster: dart}\n- {lr: 0.1, booster: gbtree}\n"),
    ],
)
def test_a_file_in_any_format_gives_the_same_points(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_points([str(tmp_path / name)]) == [
        {"lr": 1e-5, "depth": 6, "booster": "dart"},
        {"lr": 0.1, "booster": "gbtree"},
    ]


@pytest.mark.parametrize("words", [[], ["lr"], ["lr=1", "depth"], ["lr=1", "lr=2"], ["=1"], ["missing.yaml"]])
def test_words_that_are_no_point_are_refused(words: list[str]) -> None:
    with pytest.raises(HpotoolError) as refused:
        read_points(words)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("name", "text"),
    [("p.csv", "a,b\n1\n"), ("p.csv", ""), ("p.json", "{"), ("p.yaml", "[1, 2]"), ("p.yaml", "a: [")],
)
def test_files_that_are_no_points_are_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(HpotoolError) as refused:
        read_points([str(tmp_path / name)])
    assert name in refused.value.message
