"""What holds after any fault, once a study is done. Each check is one of the guarantees in docs/guarantees.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hpotool.storage.monitoring.evidence import AttemptEvidence, Evidence, TrialEvidence
from hpotool.study.outcome import COUNTED
from hpotool.study.wording import count_of

RETRY_LIMITS: Mapping[str, int] = {outcome.value: limit for outcome, limit in COUNTED.items()}
_FINISHED = ("COMPLETE", "PRUNED")


@dataclass(frozen=True)
class Facts:
    """What the checks look at.

    Attributes:
        budget: how many trials were to finish.
        returned: number and value of each result, as the objective noted it beside the database.
        is_value_safe: no attempt's process died in the instant between noting that it returns and putting that on
            disk. One that did has its trial run again.
        expected: the value that belongs to a parameter x; None: any value will do.
        processes: processes that should be gone.
        unsent: files of results that are still on the disk.
        endings: how workers ended that nobody had asked or made to.
    """

    budget: int
    evidence: Evidence
    returned: Sequence[tuple[int, float]] = ()
    is_value_safe: bool = False
    expected: Callable[[float], float] | None = None
    processes: Sequence[str] = ()
    unsent: Sequence[str] = ()
    endings: Sequence[str] = ()

    @property
    def trials(self) -> Sequence[TrialEvidence]:
        """The trials, by number."""
        return self.evidence.trials

    @property
    def attempts(self) -> Sequence[AttemptEvidence]:
        """The attempts, by number."""
        return self.evidence.attempts


@dataclass(frozen=True)
class Invariant:
    """One thing that must hold; ``find`` returns a sentence for each violation.

    ``needs_processes``: it can only be seen of workers whose processes and folder are at hand.
    """

    guarantee: str
    promise: str
    find: Callable[[Facts], Iterable[str]] = field(repr=False)
    needs_processes: bool = False


@dataclass(frozen=True)
class Verdict:
    """An invariant and the sentences that say how it was violated; none: it held."""

    invariant: Invariant
    violations: Sequence[str]

    @property
    def holds(self) -> bool:
        """Whether nothing violated it."""
        return not self.violations


def judge(facts: Facts, *, has_processes: bool = True) -> list[Verdict]:
    """The verdict on every invariant that can be seen."""
    seen = [each for each in INVARIANTS if has_processes or not each.needs_processes]
    return [Verdict(each, tuple(each.find(facts))) for each in seen]


def _budget_is_exact(facts: Facts) -> Iterable[str]:
    finished = sum(trial.state in _FINISHED and not trial.is_taken_over for trial in facts.trials)
    if finished != facts.budget:
        yield f"{count_of(finished, 'trial is', 'trials are')} finished, not {facts.budget}"
    taken = sum(trial.is_taken_over for trial in facts.trials)
    if taken != facts.evidence.taken_over:
        yield f"{count_of(taken, 'trial is', 'trials are')} taken over, {facts.evidence.taken_over} counted so"


def _numbers_are_dense(facts: Facts) -> Iterable[str]:
    numbers = [trial.number for trial in facts.trials]
    if numbers != list(range(len(numbers))):
        yield f"the numbers are not dense: {numbers}"


def _nothing_is_left_open(facts: Facts) -> Iterable[str]:
    for trial in facts.trials:
        if trial.state in ("RUNNING", "WAITING"):
            yield f"trial {trial.number} is still {trial.state}"
    for attempt in facts.attempts:
        if not attempt.has_ended:
            yield f"an attempt of trial {attempt.number} never ended"


def _limits_are_kept(facts: Facts) -> Iterable[str]:
    outcomes = Counter((attempt.root, attempt.outcome) for attempt in facts.attempts)
    for (root, outcome), count in outcomes.items():
        limit = RETRY_LIMITS.get(outcome or "")
        if limit is not None and count > limit + 1:
            yield f"trial {root} ended {outcome} {count_of(count, 'time')}, its limit of retries is {limit}"


def _every_loss_is_retried(facts: Facts) -> Iterable[str]:
    retried = {trial.number for trial in facts.trials if trial.has_retry}
    for attempt in facts.attempts:
        if attempt.number not in retried and _wants_retry(attempt, facts.attempts):
            yield f"trial {attempt.number} ended {attempt.outcome} and was never tried again"


def _wants_retry(attempt: AttemptEvidence, attempts: Sequence[AttemptEvidence]) -> bool:
    earlier = sum(
        each.root == attempt.root and each.outcome == attempt.outcome and each.number < attempt.number
        for each in attempts
    )
    return attempt.outcome == "preempted" or earlier < RETRY_LIMITS.get(attempt.outcome or "", 0)


def _one_result_per_lineage(facts: Facts) -> Iterable[str]:
    complete = Counter(trial.root for trial in facts.trials if trial.state == "COMPLETE")
    for root, count in complete.items():
        if count > 1:
            yield f"trial {root} has {count} results"
    for trial in facts.trials:
        if trial.values > 1:
            yield f"trial {trial.number} has {trial.values} values"


def _no_result_is_missing(facts: Facts) -> Iterable[str]:
    roots = {trial.number: trial.root for trial in facts.trials}
    kept = {trial.root: trial.value for trial in facts.trials if trial.state == "COMPLETE"}
    for number, value in facts.returned:
        root = roots.get(number)
        if root not in kept or (facts.is_value_safe and kept[root] != value):
            yield f"trial {number} returned {value}, which is nowhere"


def _values_belong_to_their_parameters(facts: Facts) -> Iterable[str]:
    if facts.expected is None:
        return
    for trial in facts.trials:
        if trial.state == "COMPLETE" and (trial.x is None or trial.value != facts.expected(trial.x)):
            yield f"trial {trial.number} has the value {trial.value}, which is not that of x = {trial.x}"


def _checkpoints_are_resumed(facts: Facts) -> Iterable[str]:
    """A step is reported after its checkpoint is saved, so what was reported need not be trained again."""
    for trial in facts.trials:
        if trial.start is None or trial.state not in _FINISHED:
            continue
        reached = max(
            (each.reported for each in _predecessors(trial, facts) if each.reported is not None), default=-1
        )
        if trial.start.began_at <= reached:
            yield f"trial {trial.number} began at step {trial.start.began_at}, after step {reached} was reported"
        if trial.start.found_x not in (None, trial.x):
            yield f"trial {trial.number} found the checkpoint of another one"


def _predecessors(trial: TrialEvidence, facts: Facts) -> list[TrialEvidence]:
    return [each for each in facts.trials if each.root == trial.root and each.number < trial.number]


INVARIANTS = (
    Invariant("G1", "exactly as many trials finish as were ordered", _budget_is_exact),
    Invariant("G1", "trial numbers are unique and without gaps", _numbers_are_dense),
    Invariant("G2", "no result that an objective returned is lost", _no_result_is_missing, True),
    Invariant("G2", "each value belongs to its own parameters", _values_belong_to_their_parameters),
    Invariant("G2", "no result stays unsent on the disk", lambda facts: facts.unsent, True),
    Invariant("G3", "nothing stays RUNNING or WAITING", _nothing_is_left_open),
    Invariant("G3", "each lost attempt is tried again", _every_loss_is_retried),
    Invariant("G3", "no trial is retried beyond its limit", _limits_are_kept),
    Invariant("G4", "each trial has one result", _one_result_per_lineage),
    Invariant("G6", "a worker ends for a reason only", lambda facts: facts.endings, True),
    Invariant("G7", "no process is left behind", lambda facts: facts.processes, True),
    Invariant("G9", "retries continue from the last checkpoint", _checkpoints_are_resumed),
)
