import pytest
from optuna import TrialPruned
from optuna.trial import TrialState

from hpotool.study.outcome import Outcome
from hpotool.worker.attempt.running_attempt import AttemptResult
from hpotool.worker.one_trial import AttemptFailedError, _ending_of, _for_optuna, _last_line, _state_of


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
