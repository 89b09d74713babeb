from dataclasses import replace
from datetime import datetime, timezone

import optuna
import pytest
from optuna import TrialPruned
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from hpotool.errors import InputError
from hpotool.storage.database.outage import GaveUpError
from hpotool.storage.fleet.attempts import Attempt
from hpotool.storage.fleet.worker_storage import TellResult
from hpotool.study.outcome import Outcome
from hpotool.study.phase import Reevaluation
from hpotool.worker.attempt.running_attempt import TAKEN_AWAY, AttemptResult
from hpotool.worker.one_trial import (
    AttemptFailedError,
    TrialEnd,
    _ending_of,
    _for_optuna,
    _gpu_figures,
    _has_lost_its_parameters,
    _last_line,
    _result_of,
    _say_phase,
    _seed_of,
    _state_of,
)


@pytest.mark.parametrize("outcome", Outcome)
def test_a_trial_ends_in_the_state_of_its_outcome(outcome: Outcome) -> None:
    assert _state_of(AttemptResult(outcome)) == TrialState[outcome.facts.state]


def test_infeasible_is_pruned() -> None:
    result = AttemptResult(Outcome.OOM, "memory ran out", is_infeasible=True)
    assert _state_of(result) == TrialState.PRUNED
    with pytest.raises(TrialPruned, match="memory ran out"):
        _for_optuna(result)


def test_optuna_gets_the_values_or_an_exception() -> None:
    assert _for_optuna(AttemptResult(Outcome.COMPLETE, values=(1.0, 2.0))) == (1.0, 2.0)
    with pytest.raises(AttemptFailedError, match="it raised"):
        _for_optuna(AttemptResult(Outcome.ERROR, "it raised"))


def test_what_is_stored_of_an_attempt_has_its_gpu_s_figures() -> None:
    assert _ending_of(AttemptResult(Outcome.CRASH)).gpu is None
    result = AttemptResult(Outcome.COMPLETE, gpu_peak_memory=7, gpu_utilization=33.333)
    assert _ending_of(result).gpu == {"peak_memory_bytes": 7, "utilization_percent": 33.3}


def test_an_error_is_said_in_one_line() -> None:
    assert _last_line(ValueError("one\n  two")) == "ValueError: one two"


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (UpdateFinishedTrialError("x"), TAKEN_AWAY.outcome, TAKEN_AWAY.reason),
        (GaveUpError("no database for 60 s", "look"), Outcome.PREEMPTED, "no database for 60 s"),
        (InputError("lr is empty", "give it one"), Outcome.ERROR, "lr is empty"),
        (ValueError("no\nsuch thing"), Outcome.ERROR, "ValueError: no such thing"),
        (SystemExit(3), Outcome.ERROR, "SystemExit: 3"),
    ],
)
def test_what_is_raised_beside_the_objective_ends_its_attempt_and_is_its_reason(
    error: BaseException, outcome: Outcome, reason: str
) -> None:
    assert _result_of(error) == AttemptResult(outcome, reason)


def test_retries_and_replicates_of_one_run_have_one_seed() -> None:
    first, retry = attempt(), replace(attempt(Outcome.CRASH), number=9)
    assert _seed_of(first, None) is None
    assert _seed_of(first, 7) == _seed_of(retry, 7) != _seed_of(first, 8)
    replicates = [
        replace(first, number=number, reevaluation=Reevaluation("confirm", point, replicate))
        for number, (point, replicate) in enumerate([("trial 1", 0), ("trial 2", 0), ("trial 1", 1)])
    ]
    of_one, of_other, second = [_seed_of(one, 7) for one in replicates]
    assert of_one == of_other, "what is compared is trained with the same seeds"
    assert len({of_one, second, _seed_of(first, 7)}) == 3


def attempt(*history: Outcome) -> Attempt:
    return Attempt("a", 1, 2, 3, 3, datetime.now(timezone.utc).replace(tzinfo=None), history=history)


@pytest.mark.parametrize(
    ("history", "is_lost"), [((), False), ((Outcome.LOST,), True), ((Outcome.LOST, Outcome.CRASH), False)]
)
def test_only_what_died_before_it_sent_its_parameters_has_lost_them(
    history: tuple[Outcome, ...], is_lost: bool
) -> None:
    trial = optuna.create_study().ask()
    assert _has_lost_its_parameters(attempt(*history), trial) is is_lost
    trial.suggest_float("x", 0, 1)
    assert not _has_lost_its_parameters(attempt(*history), trial)


@pytest.mark.parametrize(
    ("result", "is_finished"),
    [
        (AttemptResult(Outcome.COMPLETE, values=(1.0,)), True),
        (AttemptResult(Outcome.OOM, is_infeasible=True), True),
        (AttemptResult(Outcome.ERROR), False),
        (None, False),
    ],
)
def test_a_trial_is_finished_when_its_answer_was_told(result: AttemptResult | None, is_finished: bool) -> None:
    tell = TellResult(attempt(), Outcome.COMPLETE, False, False, None)
    assert TrialEnd(attempt(), result, tell).is_finished is is_finished
    assert not TrialEnd(attempt(), result, None).is_finished


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        (None, ""),
        (Reevaluation("confirm", "trial 7", 0), ", replicate 1 of trial 7"),
        (Reevaluation("confirm", "baseline", 4), ", replicate 5 of baseline"),
        (Reevaluation("final", "trial 7", 2), ", the final training of trial 7"),
    ],
)
def test_the_log_says_what_a_trial_beside_the_search_is_for(mark: Reevaluation | None, said: str) -> None:
    moment = datetime.now(timezone.utc).replace(tzinfo=None)
    assert _say_phase(Attempt("a", 1, 2, 3, 3, moment, reevaluation=mark)) == said


@pytest.mark.parametrize(
    ("memory", "utilization", "figures"),
    [
        (None, None, None), (None, 50.0, None), (0, None, {"peak_memory_bytes": 0}),
        (7, 33.333, {"peak_memory_bytes": 7, "utilization_percent": 33.3}),
    ],
)  # fmt: skip
def test_a_gpus_figures_are_stored_as_far_as_there_are_any(
    memory: int | None, utilization: float | None, figures: dict[str, float] | None
) -> None:
    result = AttemptResult(Outcome.COMPLETE, gpu_peak_memory=memory, gpu_utilization=utilization)
    assert _gpu_figures(result) == figures
    assert _ending_of(result).gpu == figures
