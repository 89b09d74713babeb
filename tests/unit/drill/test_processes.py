"""How an end is told, and what a log says last."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpotool.drill.processes import Crew, Place, _how, _last_line, read_returned
from hpotool.storage.database.url import DatabaseUrl

URL = DatabaseUrl.parse("postgresql://u:p@127.0.0.1:1/d")


@pytest.mark.parametrize(
    ("code", "said"),
    [(-9, "was ended by SIGKILL, and not by the drill"), (1, "ended with exit code 1: error: no"), (4, "code 4")],
)
def test_an_end_is_a_sentence(code: int, said: str) -> None:
    assert said in _how(code, "error: no")


@pytest.mark.parametrize(
    ("text", "last"),
    [("one\n  two  \n\n", "two"), ("", "it printed nothing"), ("x" * 500, "x" * 200), ("\udcff\n", "?")],
)
def test_the_last_line_of_a_log_is_short_and_never_empty(tmp_path: Path, text: str, last: str) -> None:
    (tmp_path / "log").write_bytes(text.encode(errors="replace"))
    assert _last_line(tmp_path / "log") == last


def test_without_a_log_nothing_was_printed(tmp_path: Path) -> None:
    assert _last_line(tmp_path / "log") == "it printed nothing"
    assert read_returned(tmp_path / "returned") == []


def test_each_worker_of_a_crew_has_a_way_of_its_own_and_one_allowed_objective(tmp_path: Path) -> None:
    crew = Crew(URL, "drill-1", tmp_path, 3, {}, 8)
    assert [place.name for place in crew.places] == ["worker 1", "worker 2", "worker 3"]
    assert len({place.proxy.port for place in crew.places if place.proxy}) == 3
    assert crew.can_be_cut
    assert "--only-objective=hpotool.drill.objective:objective" in crew._command()
    assert crew._command()[-2:] != ["drill-1", "8"]
    assert "p@" not in " ".join(crew._command()), "no password in an argument list"
    assert not any(place.is_alive for place in crew.places)
    crew.close()


def test_a_crew_of_plain_optuna_is_another_command(tmp_path: Path) -> None:
    crew = Crew(URL, "drill-1", tmp_path, 0, {}, 8, is_plain=True)
    assert crew._command()[1:] == ["-m", "hpotool.drill.plain_optuna", "drill-1", "8"]
    crew.sweep(1.0)  # nothing to send, so nothing is started
    assert crew.endings == []


def test_a_server_that_no_url_names_alone_cannot_be_cut(tmp_path: Path) -> None:
    crew = Crew(DatabaseUrl.parse("postgresql:///d?host=a:1&host=b:2"), "drill-1", tmp_path, 1, {}, 8)
    assert not crew.can_be_cut
    assert Place(1, None).is_alive is False
    crew.close()
