from __future__ import annotations

from hpotool.analysis.origins.lineage import Lineage
from hpotool.analysis.report.blocks import Block, Grid, Heading, Paragraph
from hpotool.analysis.report.lineage import list_lineage
from hpotool.storage.fleet.origins import SharedOrigin

CODE = {"files": {"a.py": "1"}}
STUDY = SharedOrigin({}, {"code": CODE, "data": {"rows": {"hash": "1"}}})


def _origin(data: str, numbers: tuple[int, ...], host: str, packages: int = 1) -> SharedOrigin:
    environment = {"python": "3.11", "packages": {f"p{number}": host for number in range(packages)}}
    return SharedOrigin(
        {}, {"code": CODE, "data": {"rows": {"hash": data}}, "environment": environment}, numbers, (host,)
    )


def _list(*origins: SharedOrigin) -> list[Block]:
    return list(list_lineage(Lineage("s", None, STUDY, origins)))


def test_where_nothing_is_known_nothing_is_said() -> None:
    assert _list() == []


def test_one_origin_is_shown_without_its_packages() -> None:
    heading, grid, said = _list(_origin("1", (0, 1), "a"))
    assert heading == Heading("What it comes from")
    assert isinstance(grid, Grid)
    assert grid.rows == [["code a.py", "1"], ["data rows", "1"], ["python", "3.11"]]
    assert said == Paragraph("All attempts had this code, data and environment.")


def test_several_origins_show_what_differs_and_who_differs_from_the_study() -> None:
    blocks = _list(_origin("2", (2,), "b"), _origin("1", (0, 1), "a"))
    [_, different] = [block for block in blocks if isinstance(block, Grid)]
    assert different.columns == ("", "1 trial on b", "2 trials on a")
    assert ["data rows", "2", "1"] in different.rows
    assert ["package p0", "b", "a"] in different.rows
    [warning] = [block for block in blocks if isinstance(block, Paragraph) and block.is_warning]
    assert warning.text == "data rows was 2, and is 1 in the study: 1 trial from trial 2 on, by b."


def test_of_very_many_differences_the_first_are_shown() -> None:
    blocks = _list(_origin("1", (0,), "a", 100), _origin("1", (1,), "b", 100))
    assert Paragraph("And 60 more.") in blocks
