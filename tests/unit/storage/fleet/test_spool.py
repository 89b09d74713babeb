"""What an attempt has come to survives being a file, also one that another release has written."""

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from hpotool.storage.fleet.attempts import Attempt, Ending
from hpotool.storage.fleet.spool import NewerFormatError, SpooledAttempt, SpooledResult
from hpotool.storage.fleet.trial_content import TrialContent
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.study.outcome import Outcome
from hpotool.study.phase import Reevaluation

WORKER = WorkerIdentity("w", "here", 1, "boot", "17", "cpu")
NUMBERS = st.integers(0, 2**31)
FLOATS = st.floats(allow_nan=False)
OUTCOMES = st.sampled_from(Outcome)
TEXTS = st.text(max_size=8)
ATTEMPTS = st.builds(
    Attempt, st.uuids().map(str), NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.datetimes(), history=st.tuples(OUTCOMES),
    reevaluation=st.none() | st.builds(Reevaluation, st.sampled_from(["confirm", "final"]), TEXTS, NUMBERS),
)  # fmt: skip
CONTENTS = st.builds(
    TrialContent,
    params=st.lists(st.builds(lambda *parts: list(parts), TEXTS, FLOATS, TEXTS), max_size=2),
    steps=st.lists(st.builds(lambda *parts: list(parts), NUMBERS, FLOATS), max_size=2),
    user_attrs=st.dictionaries(TEXTS, TEXTS, max_size=2),
)
RESULTS = st.builds(
    SpooledResult,
    st.sampled_from([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]),
    st.none() | st.tuples(FLOATS, FLOATS),
    st.builds(Ending, OUTCOMES, TEXTS, gpu=st.none() | st.dictionaries(TEXTS, FLOATS, max_size=2)),
)
SPOOLED = st.builds(SpooledAttempt, ATTEMPTS, st.just(WORKER), CONTENTS, st.none() | RESULTS)


@given(SPOOLED)
def test_an_attempt_survives_being_a_file(spooled: SpooledAttempt) -> None:
    assert SpooledAttempt.from_json(spooled.to_json()) == spooled


@given(SPOOLED)
def test_the_last_release_finds_a_reevaluation_under_the_key_that_it_knows(spooled: SpooledAttempt) -> None:
    attempt: dict[str, Any] = json.loads(spooled.to_json())["attempt"]
    mark = spooled.attempt.reevaluation
    assert attempt.get("apart") == (None if mark is None else mark.to_attribute())
    assert "reevaluation" not in attempt
    assert mark is not None or "apart" not in attempt, "it refuses a key that it does not know"


@given(SPOOLED, st.sampled_from(["attempt", "worker", "content"]))
def test_what_a_newer_release_has_added_is_passed_over(spooled: SpooledAttempt, part: str) -> None:
    data: dict[str, Any] = json.loads(spooled.to_json())
    for mapping in (data[part], data, *([data["result"]["ending"]] if data["result"] else [])):
        mapping["quantum"] = 1
    assert SpooledAttempt.from_json(json.dumps(data)) == spooled


def test_a_file_of_another_format_is_left_to_whoever_knows_it() -> None:
    attempt = Attempt("a", 1, 2, 3, 3, datetime.now(timezone.utc).replace(tzinfo=None))
    data = json.loads(SpooledAttempt(attempt, WORKER, TrialContent(), None).to_json())
    with pytest.raises(NewerFormatError, match="format 2"):
        SpooledAttempt.from_json(json.dumps(data | {"format": 2}))
