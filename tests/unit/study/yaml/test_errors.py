"""Whatever keeps a text from being YAML is said in words of the text, at its place."""

import pytest

from hpotool.errors import StudyFileError
from hpotool.study.yaml.document import parse_yaml

PARSERS_WORDS = ("token", "flow", "block", "scalar", "node", "stream", "simple key", "directive", "while")


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("a: {b: 1\n", 1, 4, "this { is not closed"),
        ("a: [1, 2\n", 1, 4, "this [ is not closed"),
        ("a: {b: [1}", 1, 8, "this [ is not closed"),
        ("a: [{b: 1]", 1, 5, "this { is not closed"),
        ("{", 1, 2, "a [ or { is not closed"),
        ("a: [", 1, 5, "a [ or { is not closed"),
        ("a: {", 1, 5, "a [ or { is not closed"),
        ("a: [1, , 2]", 1, 8, "a value is missing here, or a ',' is too many"),
        ("a: [,]", 1, 5, "a value is missing here, or a ',' is too many"),
        ("a: 'text\n", 1, 4, "this quote is not closed"),
        ('a: "text\nb: 1\n', 1, 4, "this quote is not closed"),
        ("a:\n\tb: 1\n", 2, 1, "a tab cannot be used here"),
        ("a: 1\n---\nb: 2\n", 2, 1, "a second document starts here"),
        ("a: b: 1\n", 1, 5, "a second ': ' on one line"),
        ("a: *unknown\n", 1, 4, "undefined alias 'unknown'"),
        ("a: 1\nb\nc: 2\n", 2, 1, "a key without ':' after it"),
        ("a:\n  b: 1\n c: 2\n", 3, 2, "this is not aligned"),
        ("- 1\nb: 2\n", 2, 1, "this is not aligned"),
    ],
)
def test_a_slip_is_named_at_its_line_and_column_in_words_of_the_file(
    text: str, line: int, column: int, says: str
) -> None:
    with pytest.raises(StudyFileError) as caught:
        parse_yaml(text, "s.yaml")
    [problem] = caught.value.problems
    assert (problem.line, problem.column) == (line, column)
    assert says in problem.message
    assert not [word for word in PARSERS_WORDS if word in problem.message]


@pytest.mark.parametrize("text", ["a: {b: 1", "a: [1, , 2]", "a: 'text", "a: b: 1", "a: *unknown"])
def test_a_long_file_gets_the_same_message_as_a_short_one(text: str) -> None:
    messages = []
    for comment in ("", "x" * 30_000):
        with pytest.raises(StudyFileError) as caught:
            parse_yaml(f"# {comment}\n{text}\n", "s.yaml")
        messages.append([str(problem) for problem in caught.value.problems])
    assert messages[0] == messages[1]
