"""What is said about a wrong command line is a sentence, with what was probably meant."""

import pytest

from hpotool.cli.app import app, command_line
from hpotool.cli.usage_errors import _ALSO_CALLED, _ALSO_CALLED_IN_GROUP, plain_usage_error


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("show 3 --format xml", "'xml' is not one of table, json, csv, yaml, value"),
        (
            "trials --state failed",
            "'failed' is not one of waiting, running, complete, pruned, fail; did you mean 'fail'?",
        ),
        ("logs twelve", "Missing argument 'TRIAL'"),
        ("logs mine twelve", "TRIAL must be a whole number"),
        ("show mine twelve", "TRIAL must be a whole number"),
        ("retry mine failed", "TRIAL... must be a whole number"),
        ("best -n 0", "--count, -n must be 1 or more"),
        ("watch --interval soon", "--interval must be a number"),
        ("dashboard --port 99999", "--port must be 65535 or less"),
        ("quota set ann -5", "-5 is below zero, and this takes no such number"),
        ("metrics mine", "unexpected extra argument mine"),
        ("metrics mine too", "unexpected extra arguments mine too"),
        ("ls", "there is no command 'ls'; did you mean 'studies'?"),
        ("statsu", "No such command 'statsu'. Did you mean 'status'?"),
    ],
)
def test_a_wrong_line_is_answered_in_plain_words(line: str, said: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  (Typer carries a Click of its own)
        command_line()(line.split(), prog_name="hpotool", standalone_mode=False)
    assert plain_usage_error(caught.value.format_message()) == said  # type: ignore[attr-defined]


def test_other_programs_words_lead_to_commands_that_exist() -> None:
    known = {command.name for command in app.registered_commands}
    assert set(_ALSO_CALLED.values()) <= known
    assert not set(_ALSO_CALLED) & known
    for group, words in _ALSO_CALLED_IN_GROUP.items():
        there = set(command_line().commands[group.split()[1]].commands)
        assert set(words.values()) <= there
        assert not set(words) & there
