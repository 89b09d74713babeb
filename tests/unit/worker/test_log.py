import logging
import sys
from collections.abc import Iterator

import pytest

from hpotool.worker.log import log_event, logger, set_up_logging


@pytest.fixture(autouse=True)
def keep_handlers() -> Iterator[None]:
    handlers, level, propagate = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logger.propagate = propagate


def test_an_event_is_one_line_without_anything_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("text")
    log_event("end", "trial 0 error  ValueError: \x1b]0;own\x07\ud800\n12:00:00 trial 1 complete")
    line = capsys.readouterr().err
    assert line.endswith(r"ValueError: \x1b]0;own\x07\ud800\n12:00:00 trial 1 complete" + "\n")


def test_a_traceback_keeps_its_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("text")
    try:
        raise ValueError("\x1b[31mred\x1b[0m")
    except ValueError:
        logger.warning("it failed", exc_info=sys.exc_info())
    said = capsys.readouterr().err
    assert "Traceback (most recent call last):\n" in said
    assert said.endswith("ValueError: \\x1b[31mred\\x1b[0m\n")


def test_json_lines_are_escaped_by_json(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("json")
    log_event("end", "\x1b\ud800\n", logging.WARNING)
    assert r'"message": "\u001b\ud800\n"' in capsys.readouterr().err
