import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool.study.outcome import Outcome
from hpotool.study.rules.retry import (
    Decision,
    EndedAttempt,
    GiveUp,
    Requeue,
    Retry,
    decide_retry,
    judge_worker,
)
from hpotool.study.spec import RetrySpec

ENDINGS = [outcome for outcome in Outcome if not outcome.is_finished]


@pytest.mark.parametrize(
    ("outcome", "history", "decision"),
    [
        (Outcome.PREEMPTED, [], Requeue("preempted; handed back, not counted")),
        (Outcome.PREEMPTED, [Outcome.PREEMPTED] * 50, Requeue("preempted; handed back, not counted")),
        (Outcome.LOST, [], Retry("lost; retry 1 of 3", 1, 3)),
        (Outcome.LOST, [Outcome.LOST, Outcome.PREEMPTED, Outcome.LOST], Retry("lost; retry 3 of 3", 3, 3)),
        (Outcome.LOST, [Outcome.LOST] * 3, GiveUp("lost; 3 times retried already, which is the limit")),
        (Outcome.LOST, [Outcome.CRASH] * 3, Retry("lost; retry 1 of 3", 1, 3)),
        (Outcome.CRASH, [], Retry("crash; retry 1 of 1", 1, 1)),
        (Outcome.CRASH, [Outcome.CRASH], GiveUp("crash; once retried already, which is the limit")),
        (Outcome.ERROR, [], GiveUp("error; not retried (retry.error is 0)")),
        (Outcome.OOM, [], GiveUp("oom; not retried (retry.oom is 0)")),
        (Outcome.NAN, [], GiveUp("nan; not retried (retry.nan is 0)")),
        (Outcome.TIMEOUT, [], GiveUp("timeout; not retried (retry.timeout is 0)")),
        (Outcome.STALLED, [], Retry("stalled; retry 1 of 1", 1, 1)),
        (Outcome.STALLED, [Outcome.STALLED], GiveUp("stalled; once retried already, which is the limit")),
        (Outcome.CANCELLED, [], GiveUp("cancelled on request")),
    ],
)
def test_each_ending_has_its_default_consequence(
    outcome: Outcome, history: list[Outcome], decision: Decision
) -> None:
    assert decide_retry(outcome, history, RetrySpec()) == decision


@pytest.mark.parametrize("outcome", [Outcome.COMPLETE, Outcome.PRUNED])
def test_a_finished_trial_is_not_asked_about(outcome: Outcome) -> None:
    with pytest.raises(ValueError, match="has finished its trial"):
        decide_retry(outcome, [], RetrySpec())


LIMITS = st.builds(RetrySpec, **{name: st.integers(0, 4) for name in vars(RetrySpec())})


@given(st.lists(st.sampled_from(ENDINGS), max_size=60), LIMITS)
def test_a_lineage_is_retried_at_most_the_limit_of_each_kind(endings: list[Outcome], spec: RetrySpec) -> None:
    history: list[Outcome] = []
    retries = dict.fromkeys(vars(spec), 0)
    for outcome in endings:
        decision = decide_retry(outcome, history, spec)
        history.append(outcome)
        if isinstance(decision, GiveUp):
            break
        if isinstance(decision, Retry):
            retries[outcome.value] += 1
            assert (decision.number, decision.limit) == (retries[outcome.value], getattr(spec, outcome.value))
        else:
            assert outcome is Outcome.PREEMPTED
    assert all(retries[kind] <= limit for kind, limit in vars(spec).items())


@given(st.lists(st.sampled_from(ENDINGS), max_size=20), st.sampled_from(ENDINGS), LIMITS)
def test_interruptions_never_change_what_follows(
    history: list[Outcome], outcome: Outcome, spec: RetrySpec
) -> None:
    counted = [past for past in history if past is not Outcome.PREEMPTED]
    assert decide_retry(outcome, history, spec) == decide_retry(outcome, counted, spec)


def attempts(*told: str) -> list[EndedAttempt]:
    """Each as ``worker point outcome``."""
    return [
        EndedAttempt(Outcome(outcome), worker, point) for worker, point, outcome in (each.split() for each in told)
    ]


OTHERS = ["b 7 complete", "b 8 pruned", "b 9 complete"]


@pytest.mark.parametrize(
    ("ended", "opens"),
    [
        (["a 1 error", "a 2 error"], False),
        (["a 1 error", "a 2 crash", "a 3 oom"], True),
        (["a 1 error", "a 2 error", "a 3 complete", "a 4 error"], False),
        (["a 1 error", "a 2 error", "a 3 pruned", "a 4 error"], False),
        (["a 1 error", "a 2 error", "a 3 nan", "a 4 error"], False),  # it computed something: the worker works
        (["a 0 complete", "a 1 error", "a 2 error", "a 3 error"], True),  # it worked once
        (["a 1 error", "a 2 error", "a 9 preempted", "a 9 cancelled", "a 9 timeout", "a 3 error"], True),
        (["a 1 crash", "a 1 crash", "a 1 crash", "a 1 crash"], False),  # one point: perhaps its own fault
        (["a 1 crash", "b 1 crash", "a 2 error", "a 3 error"], False),  # point 1 fails anywhere
        # Others fail as often: it is where the search is.
        (["b 4 error", "b 5 error", "b 6 error", "a 1 error", "a 2 error", "a 3 error"], False),
        (["b 4 error", *(f"a {point} error" for point in range(20, 26))], True),
    ],
)
def test_different_points_failing_on_one_worker_alone_open_its_breaker(ended: list[str], opens: bool) -> None:
    assert (judge_worker("a", attempts(*OTHERS, *ended), limit=3) is not None) is opens


@pytest.mark.parametrize(
    ("points", "others", "opens"), [(9, [], False), (10, [], True), (10, ["b 1 error"], False)]
)
def test_a_worker_without_others_to_compare_with_leaves_after_ten_points(
    points: int, others: list[str], opens: bool
) -> None:
    failed = [f"a {point} error" for point in range(points)]
    assert (judge_worker("a", attempts(*others, *failed)) is not None) is opens


def test_a_worker_alone_that_ever_finished_one_stays() -> None:
    assert judge_worker("a", attempts("a 0 complete", *(f"a {point} error" for point in range(1, 40)))) is None


@pytest.mark.parametrize("others", range(1, 30))
def test_a_sound_worker_hardly_ever_opens_its_breaker(others: int) -> None:
    ended = [f"b {point} {'error' if point % 2 else 'complete'}" for point in range(100, 100 + others)]
    for streak in range(1, 5):  # what one in sixteen such workers meets
        assert judge_worker("a", attempts(*ended, *(f"a {point} error" for point in range(streak)))) is None


def test_an_open_breaker_says_why() -> None:
    failed = ["a 1 error", "a 2 crash", "a 3 error"]
    opened = judge_worker("a", attempts(*OTHERS, *failed))
    assert opened is not None
    assert opened.reason == (
        "the last 3 different points failed on this worker (crash, error) but on no other worker"
    )
    alone = judge_worker("a", attempts(*(f"a {point} oom" for point in range(10))))
    assert alone is not None
    assert alone.reason == "the last 10 different points failed on this worker (oom) and no attempt has succeeded"


@pytest.mark.parametrize(("elsewhere", "is_open"), [("b 1 crash", False), ("b 1 preempted", True)])
def test_a_point_that_fails_on_other_workers_too_is_the_trials_fault(elsewhere: str, is_open: bool) -> None:
    ended = attempts(*OTHERS, "a 1 crash", "a 2 crash", elsewhere, "a 3 crash")
    assert (judge_worker("a", ended) is not None) == is_open
