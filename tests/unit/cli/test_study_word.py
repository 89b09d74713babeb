from enum import Enum
from typing import Annotated, Any

import pytest
import typer

from hpotool.cli.study_word import StudyCommand
from hpotool.errors import InputError


class What(str, Enum):
    HISTORY = "history"
    SLICE = "slice"


Study = Annotated[str | None, typer.Option("--study", "-s", envvar="HPOTOOL_STUDY")]
State = Annotated[str | None, typer.Option("--state")]


def run(words: str) -> Any:
    app = typer.Typer()

    @app.command("status", cls=StudyCommand)
    def status(study: Study = None, state: State = None) -> Any:
        return study, state

    @app.command("show", cls=StudyCommand)
    def show(trial: Annotated[int | None, typer.Argument()] = None, study: Study = None) -> Any:
        return study, trial

    @app.command("plot", cls=StudyCommand)
    def plot(what: Annotated[What, typer.Argument()] = What.HISTORY, study: Study = None) -> Any:
        return study, what.value

    @app.command("export", cls=StudyCommand)
    def export(what: Annotated[What, typer.Argument()] = What.HISTORY, study: Study = None) -> Any:
        return study, what.value

    @app.command("enqueue", cls=StudyCommand)
    def enqueue(points: Annotated[list[str] | None, typer.Argument()] = None, study: Study = None) -> Any:
        return study, points

    return app(words.split(), standalone_mode=False)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("status", (None, None)),
        ("status mine", ("mine", None)),
        ("status -s mine", ("mine", None)),
        ("status --state fail fail", ("fail", "fail")),
        ("status fail --state fail", ("fail", "fail")),
        ("status -- mine", ("mine", None)),
        ("show mine", ("mine", None)),
        ("show 3", (None, 3)),
        ("show mine 3", ("mine", 3)),
        ("show 3 --study 3", ("3", 3)),
        ("plot mine", ("mine", "history")),
        ("plot slice", (None, "slice")),
        ("plot slice slice", ("slice", "slice")),
        ("plot mine slice", ("mine", "slice")),
        ("export slice mine", ("mine", "slice")),
        ("export mine slice", ("mine", "slice")),
        ("export slice --study mine", ("mine", "slice")),
        ("export histori slice", ("histori", "slice")),
        ("enqueue mine x=1 y=2", ("mine", ["x=1", "y=2"])),
        ("enqueue x=1", (None, ["x=1"])),
        ("enqueue points.csv", (None, ["points.csv"])),
        ("enqueue mine points.csv", ("mine", ["points.csv"])),
    ],
)
def test_the_first_word_names_the_study_where_it_is_not_the_commands_own(words: str, found: Any) -> None:
    assert run(words) == found


def test_a_misspelt_choice_is_not_taken_for_a_study() -> None:
    with pytest.raises(Exception, match="'histroy' is not one of"):
        run("export histroy mine")


def test_the_environment_names_it_where_the_line_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPOTOOL_STUDY", "usual")
    assert run("show 3") == ("usual", 3)
    assert run("show mine 3") == ("mine", 3)


@pytest.mark.parametrize("words", ["status -s a -s b", "status a -s b", "status -s a b"])
def test_two_studies_are_refused_where_one_is_meant(words: str) -> None:
    with pytest.raises(InputError, match="named twice"):
        run(words)


def test_a_choice_that_is_nearly_right_is_not_taken_for_a_study() -> None:
    with pytest.raises(Exception, match="is not one of"):
        run("plot histroy")
