import pytest

from hpotool.worker.child.command.last_words import LastWords


def explain(*lines: str) -> str:
    words = LastWords()
    for line in lines:
        words.add(line)
    return words.explain("it ended")


def test_a_traceback_s_exception_says_more_than_what_came_after_it() -> None:
    lines = [
        "Traceback (most recent call last):",
        '  File "train.py", line 3',
        "ValueError: bad lr",
        "cleaning up",
    ]
    assert explain(*lines) == "it ended: ValueError: bad lr"
    assert explain(*lines, "torch.cuda.OutOfMemoryError: 2 GiB") == "it ended: torch.cuda.OutOfMemoryError: 2 GiB"


def test_without_an_exception_the_last_line_is_it() -> None:
    assert explain("epoch 1", "epoch 2") == "it ended: epoch 2"
    assert explain() == "it ended"


@pytest.mark.parametrize("line", ["", "   ", "-----", "\x1b[0m", "\x00\x07"])
def test_lines_without_a_word_are_passed_over(line: str) -> None:
    assert explain("said before", line) == "it ended: said before"


@pytest.mark.parametrize(
    "line", ["[rank0]: KeyError: 'x'", "[default3]: KeyError: 'x'", "\x1b[31mKeyError: 'x'\x1b[0m"]
)
def test_ranks_and_colours_are_taken_off(line: str) -> None:
    assert explain(line) == "it ended: KeyError: 'x'"


def test_only_the_last_forty_lines_and_three_hundred_characters_are_kept() -> None:
    assert explain("RuntimeError: long ago", *(f"line {number}" for number in range(40))) == "it ended: line 39"
    assert explain("x" * 10_000) == f"it ended: {'x' * 300}"
