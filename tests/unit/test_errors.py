"""An error keeps its message, its hint and its exit code wherever it is sent."""

from __future__ import annotations

import pickle

import pytest

from hpotool.errors import HpotoolError, InputError, NotFoundError, Problem, StudyFileError
from hpotool.storage.database.connection import RefusedStatementError, TransientDatabaseError

ERRORS = [
    HpotoolError("it failed"),
    InputError("the name is wrong", "write another"),
    NotFoundError("there is no trial 3", "hpotool trials"),
    StudyFileError([Problem("unknown key", "a.yaml", 3, 1), Problem("wrong type", "a.yaml", 4, 1)]),
    RefusedStatementError("refused", "grant it", pgcode="42501"),
    TransientDatabaseError("away", "wait", maybe_applied=True),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_is_the_same_after_a_journey_between_processes(error: HpotoolError) -> None:
    arrived = pickle.loads(pickle.dumps(error))
    assert (type(arrived), str(arrived), vars(arrived)) == (type(error), str(error), vars(error))
