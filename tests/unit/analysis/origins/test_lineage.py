from __future__ import annotations

from hpotool.analysis.origins.lineage import Lineage, flat_origin
from hpotool.storage.fleet.origins import SharedOrigin

CODE = {"files": {"a.py": "1"}, "commit": "c", "tree": "t", "changes": None, "diff": "secret text"}
STUDY = SharedOrigin({"code": "h", "data": "d"}, {"code": CODE, "data": {"diff": {"hash": "1"}}})
SAME = SharedOrigin({"code": "h", "data": "d"}, {**STUDY.contents, "environment": {"python": "3"}}, (0, 2), ("a",))
OTHER = SharedOrigin(
    {"code": "h", "data": "e"}, {"code": CODE, "data": {"diff": {"hash": "2"}}, "environment": None}, (1,), ("b",)
)


def test_each_origin_says_what_is_not_the_same_as_in_the_study() -> None:
    data = Lineage("s", None, STUDY, (SAME, OTHER)).as_data()
    assert [one["differs"] for one in data["origins"]] == [{}, {"data diff": {"study": "1", "here": "2"}}]
    assert data["origins"][0]["trials"] == [0, 2]
    assert data["origins"][1]["environment"] is None


def test_the_text_of_changes_is_left_out_and_data_of_any_name_is_not() -> None:
    [found] = Lineage("s", 1, STUDY, (OTHER,)).as_data()["origins"]
    assert "diff" not in found["code"]
    assert found["data"] == {"diff": {"hash": "2"}}


def test_an_unknown_origin_of_the_study_differs_in_nothing() -> None:
    assert Lineage("s", None, SharedOrigin({}, {}), (OTHER,)).differences(OTHER) == {}


def test_all_known_parts_are_flat_text() -> None:
    assert flat_origin(SAME) == {
        "code a.py": "1",
        "commit": "c",
        "uncommitted changes": "none",
        "data diff": "1",
        "python": "3",
    }
    assert flat_origin(SharedOrigin({}, {})) == {}
