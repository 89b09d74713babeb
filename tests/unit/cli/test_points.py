from pathlib import Path

import pytest

from hpotool.cli.points import read_points
from hpotool.errors import HpotoolError
from hpotool.study.file.flags import StudyFlags, read_study_flags
from hpotool.study.file.reader import read_study_file


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


AS_WRITTEN = {
    "no": "no",
    "on": "on",
    "1:30": "1:30",
    "017": 17,
    "2024-01-01": "2024-01-01",
    "1_000": "1_000",
    "0x1F": 31,
    "1e3": 1000.0,
    "~": None,
    "True": True,
    "yes": "yes",
    "'1'": "1",
    "-.5": -0.5,
    "a #b": "a",
}


@pytest.mark.parametrize("form", ["words", "p.csv", "p.yaml", "study file", "flags"])
def test_a_value_means_what_it_means_in_a_study_file(tmp_path: Path, form: str) -> None:
    names = [f"p{number}" for number in range(len(AS_WRITTEN))]
    if form == "words":
        [point] = read_points([f"{name}={text}" for name, text in zip(names, AS_WRITTEN, strict=True)])
    elif form == "p.csv":
        (tmp_path / form).write_text(f"{','.join(names)}\r\n{','.join(AS_WRITTEN)}\r\n")
        [point] = read_points([str(tmp_path / form)])
    elif form == "p.yaml":
        lines = [f"{name}: {text}\n" for name, text in zip(names, AS_WRITTEN, strict=True)]
        (tmp_path / form).write_text("".join(lines))
        [point] = read_points([str(tmp_path / form)])
    elif form == "flags":
        parameters = [f"{name}=const({text}\n)" for name, text in zip(names, AS_WRITTEN, strict=True)]
        spec = read_study_flags(StudyFlags("s", "m:f", metrics=["v:minimize"], parameters=parameters))
        point = {p.name: p.distribution.choices[0] for p in spec.search_space}
    else:
        space = "".join(f"  {name}: {{const: {text}\n  }}\n" for name, text in zip(names, AS_WRITTEN, strict=True))
        text = f"study: s\nobjective: {{python: m:f}}\nmetrics: {{v: minimize}}\nsearch_space:\n{space}"
        point = {p.name: p.distribution.choices[0] for p in read_study_file(text).search_space}
    assert point == dict(zip(names, AS_WRITTEN.values(), strict=True))
    assert [type(value) for value in point.values()] == [type(value) for value in AS_WRITTEN.values()]


def test_a_cell_may_hold_a_line_break_and_a_comma(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text('kind,lr\n"a,\nb",0.1\n\n')
    assert read_points([str(tmp_path / "p.csv")]) == [{"kind": "a, b", "lr": 0.1}]


@pytest.mark.parametrize("words", [[], ["lr"], ["lr=1", "depth"], ["lr=1", "lr=2"], ["=1"], ["missing.yaml"]])
def test_words_that_are_no_point_are_refused(words: list[str]) -> None:
    with pytest.raises(HpotoolError) as refused:
        read_points(words)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", "a,b\n1\n"),
        ("p.csv", ""),
        ("p.json", "{"),
        ("p.yaml", "[1, 2]"),
        ("p.yaml", "a: ["),
        ("p.yaml", "# none\n"),
        ("p.csv", "a,a\n1,2\n"),
        ("p.csv", "a\n" + "x" * 200_000),
        ("p.json", f'[{{"a": {"9" * 5_000}}}]'),
        ("p.json", "[" * 100_000),
        ("p.yaml", "[" * 30_000 + "]" * 30_000),
        ("p.yaml", "a: !!int x"),
        ("p.json", "null"),
        ("p.json", "[[1]]"),
        ("p.yaml", "text"),
    ],
)
def test_files_that_are_no_points_are_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(HpotoolError) as refused:
        read_points([str(tmp_path / name)])
    assert name in refused.value.message
