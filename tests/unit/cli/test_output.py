import json
from pathlib import Path

import pytest
import yaml

from hpotool.cli.output import Answer, Format, default_file, say, show
from hpotool.cli.screen.text import cell

ROWS = [{"number": 0, "value": 0.1, "note": "a,b"}, {"number": 1, "value": None, "extra": [1, 2]}]
ANSWER = Answer(data={"trials": ROWS}, rows=ROWS, value="0.1")


def test_json_and_yaml_carry_the_same_data(capsys: pytest.CaptureFixture[str]) -> None:
    show(ANSWER, Format.JSON)
    as_json = json.loads(capsys.readouterr().out)
    show(ANSWER, Format.YAML)
    assert yaml.safe_load(capsys.readouterr().out) == as_json == {"trials": ROWS}


def test_csv_has_every_column_and_quotes_what_needs_it(capsys: pytest.CaptureFixture[str]) -> None:
    show(ANSWER, Format.CSV)
    assert capsys.readouterr().out == 'number,value,note,extra\n0,0.1,"a,b",\n1,,,"[1, 2]"\n'


def test_value_is_the_bare_value(capsys: pytest.CaptureFixture[str]) -> None:
    show(ANSWER, Format.VALUE)
    assert capsys.readouterr().out == "0.1\n"


def test_a_table_goes_to_stdout_without_colours_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    show(ANSWER, Format.TABLE)
    captured = capsys.readouterr()
    assert "number" in captured.out
    assert "\x1b[" not in captured.out
    assert captured.err == ""


def test_a_long_cell_is_not_cut_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    show(Answer(data=[], rows=[{"reason": "x" * 300}], value=""), Format.TABLE)
    assert "x" * 300 in capsys.readouterr().out


def test_an_empty_answer_says_so_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    show(Answer(data=[], rows=[], value="", empty="no studies yet"), Format.TABLE)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "no studies yet\n")


@pytest.mark.parametrize(
    ("value", "text"), [(0.1 + 0.2, "0.3"), (None, ""), ({"a": 1}, '{"a": 1}'), ("[red]", r"\[red]")]
)
def test_a_cell_is_short_and_never_markup(value: object, text: str) -> None:
    assert cell(value) == text


def test_nothing_that_a_terminal_obeys_is_in_a_table_or_in_talk(capsys: pytest.CaptureFixture[str]) -> None:
    show(Answer(data=[], rows=[{"na\x1b[31mme": "\x1b]0;own\x07\u202e\r"}], value="\x1b[2J\x1b"), Format.TABLE)
    show(Answer(data=[], rows=[], value="\x1b[2J"), Format.VALUE)
    say("error: \x1b[31m\x9b\nhint: \ud800")
    captured = capsys.readouterr()
    assert r"na\x1b[31mme" in captured.out
    assert r"\x1b]0;own\x07\u202e\r" in captured.out
    assert captured.out.endswith("\\x1b[2J\n")
    assert captured.err == "error: \\x1b[31m\\x9b\nhint: \\ud800\n"


@pytest.mark.parametrize(
    ("studies", "name"), [(["a"], "a-slice.html"), (["a/b", ".."], "a%2Fb-%2E%2E-slice.html")]
)
def test_a_file_is_named_after_its_studies(studies: list[str], name: str) -> None:
    assert default_file(studies, "-slice.html") == Path(name)


@pytest.mark.parametrize("studies", [["試験" * 50], ["x" * 100] * 3, ["." * 300]])
def test_a_file_can_be_written_however_long_the_names_of_its_studies_are(
    studies: list[str], tmp_path: Path
) -> None:
    path = tmp_path / default_file(studies, "-report.html")
    path.touch()
    assert path.name.endswith("-report.html")
    assert len(path.name) == 255
