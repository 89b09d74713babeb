from __future__ import annotations

from hpotool.study.origins.summary import summarize_origin


def test_each_kind_is_its_hash_and_what_people_look_for() -> None:
    code = {"files": {"a.py": "1"}, "commit": "c1", "tree": "t1", "changes": "d1", "diff": "long"}
    assert summarize_origin("code", "h1", code) == {"code": "h1", "commit": "c1", "changes": "d1"}
    data = {"rows.csv": {"hash": "0123456789abcdef0123"}, "gone": {"trouble": "it is not there"}}
    assert summarize_origin("data", "h2", data) == {
        "data": "h2",
        "data_hashes": {"rows.csv": "0123456789abcdef", "gone": "it is not there"},
    }
    environment = {"python": "3.11", "image": "a:1", "packages": {"numpy": "2"}}
    assert summarize_origin("environment", "h3", environment) == {
        "environment": "h3",
        "python": "3.11",
        "image": "a:1",
    }


def test_the_signature_of_a_url_goes_nowhere() -> None:
    data = {f"https://a.org/x.csv?token={secret}": {"hash": "d" * 40} for secret in ("s1", "s2")}
    paths = list(summarize_origin("data", "h", {**data, "odd?name": {"hash": "e" * 40}})["data_hashes"])
    assert len(paths) == 3
    assert all(path.startswith("https://a.org/x.csv?") and "s" not in path[20:] for path in paths[:2])
    assert paths[2] == "odd?name"


def test_what_is_not_there_is_left_out() -> None:
    assert summarize_origin("code", "h1", {"files": {}, "tree": "t"}) == {"code": "h1"}
    assert summarize_origin("environment", "h3", {"python": "3.11"}) == {"environment": "h3", "python": "3.11"}
