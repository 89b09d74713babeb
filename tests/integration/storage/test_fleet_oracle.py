"""What SQL decides about trials, beside a model in Python that decides the same from a list of trials.

Each seed is another history of one study: claims, ends of all kinds, orders by people, other budgets. After every
step, the answer of the database is the model's, and so are the states of all trials.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from optuna.trial import TrialState

from hpotool.storage.control import orders
from hpotool.storage.database.queries import query
from hpotool.storage.fleet.attempts import (
    Attempt,
    Ending,
    NoTrial,
    claim_trial,
    fail_and_queue,
    finish_attempt,
    finish_late,
    follow_up_of,
    new_attempt_id,
)
from hpotool.storage.fleet.trial_content import TrialContent
from hpotool.study.outcome import Outcome
from hpotool.study.rules.retry import decide_retry
from hpotool.study.spec import RetrySpec

OPEN = ("RUNNING", "WAITING")
FINISHED = ("COMPLETE", "PRUNED")
FAILURES = [Outcome.ERROR, Outcome.CRASH, Outcome.OOM, Outcome.TIMEOUT, Outcome.LOST, Outcome.PREEMPTED]
RETRY = RetrySpec()


@dataclass
class Trial:
    """One trial as the model knows it."""

    number: int
    root: int
    state: str
    phase: str = "search"
    is_retry: bool = False
    attempt: Attempt | None = None
    outcome: Outcome | None = None
    is_cancelled: bool = False
    retried_as: int | None = None


@dataclass
class Model:
    """A study as a list of trials, in the order of their ids."""

    budget: int | None
    trials: list[Trial] = field(default_factory=list)
    state: str = "running"
    max_running: int | None = None

    def count(self, *states: str, phase: str | None = None) -> int:
        return sum(
            trial.state in states and (phase is None or (trial.phase == "search") == (phase == "search"))
            for trial in self.trials
        )

    def add(self, root: int | None = None, state: str = "WAITING", **facts: Any) -> Trial:
        number = len(self.trials)
        trial = Trial(number, number if root is None else root, state, **facts)
        self.trials.append(trial)
        return trial

    def claim(self, create_below: int | None = None, final: int | None = None) -> Trial | str:
        """The trial that a claim takes, RUNNING from now on; or why there is none."""
        if final is not None:
            trial = self.trials[final]
            return self._take(trial) if trial.state == "WAITING" else "wait"
        if self.state not in ("running", "done"):
            return self.state
        finished, running = self.count(*FINISHED, phase="search"), self.count("RUNNING", phase="search")
        is_held = self.max_running is not None and self.count("RUNNING") >= self.max_running
        replicates = [trial for trial in self.trials if trial.phase == "confirm" and trial.state in OPEN]
        waiting = [trial for trial in replicates if trial.state == "WAITING"]
        if waiting and not is_held:
            return self._take(waiting[0])
        if self.state == "done" or (self.budget is not None and finished >= self.budget):
            return "wait" if replicates else "done"
        if is_held:
            return "capped"
        if self.budget is not None and finished + running >= self.budget:
            return "wait"
        return self._claim_search(finished + running, create_below)

    def _claim_search(self, used: int, create_below: int | None) -> Trial | str:
        waiting = [trial for trial in self.trials if trial.phase == "search" and trial.state == "WAITING"]
        retries = sorted((trial for trial in waiting if trial.is_retry), key=lambda trial: trial.root)
        if retries or waiting:
            return self._take((retries or waiting)[0])
        created = sum(trial.phase == "search" for trial in self.trials)
        if self.budget is not None and used >= self.budget:
            return "wait"
        if create_below is not None and created >= create_below:
            return "wait"
        return self._take(self.add())

    def _take(self, trial: Trial) -> Trial:
        trial.state = "RUNNING"
        return trial

    def fail(self, trial: Trial, outcome: Outcome, follow_up: str, *, reaped: bool = False) -> None:
        trial.state, trial.outcome = "FAIL", outcome
        if follow_up != "none" and not (reaped and trial.is_cancelled):
            successor = self.add(trial.root, phase=trial.phase, is_retry=True)
            trial.retried_as = successor.number

    def history(self, root: int) -> tuple[Outcome, ...]:
        ended = [trial for trial in self.trials if trial.root == root and trial.outcome is not None]
        return tuple(trial.outcome for trial in ended if trial.outcome is not None)


class Fleet:
    """The same steps on the database and on the model, in an order that a seed decides."""

    def __init__(self, study: Any, seed: int) -> None:
        self.study = study
        self.run = study.connection.run
        self.random = random.Random(seed)
        self.model = Model(self.random.choice([None, 3, 8, 20]))
        study.set_budget(self.model.budget)
        self.workers = [study.worker() for _ in range(3)]
        self.late: list[Trial] = []
        self.finals: list[int] = []

    def step(self) -> None:
        steps: dict[Callable[[], None], int] = {
            self.claim: 10, self.finish: 5, self.fail: 4, self.reap: 2, self.finish_late: 2, self.enqueue: 1,
            self.set_state: 1, self.set_budget: 1, self.set_max_running: 1, self.cancel: 1, self.retry: 2,
            self.confirm: 1, self.final: 1, self.fail_many: 1,
        }  # fmt: skip
        [step] = self.random.choices(list(steps), list(steps.values()))
        step()

    def running(self) -> Trial | None:
        return self._any(lambda trial: trial.state == "RUNNING")

    def claim(self) -> None:
        below = self.random.choice([None, None, len(self.model.trials), len(self.model.trials) + 1])
        self._claim(create_below=below)

    def final(self) -> None:
        """Queue a final training, and claim it by name, or one that is taken already."""
        if self.model.trials and (not self.finals or self.random.random() < 0.5):
            self.finals.append(self._queue_beside("final"))
        if self.finals:
            self._claim(final=self.random.choice(self.finals))

    def _claim(self, create_below: int | None = None, final: int | None = None) -> None:
        said_before = (self.model.count(*FINISHED, phase="search"), self.model.count("RUNNING", phase="search"))
        expected = self.model.claim(create_below, final)
        answer = claim_trial(
            self.run, self.study.study_id, self.random.choice(self.workers), new_attempt_id(),
            create_below=create_below, final_trial_id=None if final is None else self._id(final),
        )  # fmt: skip
        if isinstance(answer, NoTrial):
            assert answer.kind == expected
            assert (answer.finished, answer.running) == said_before
            return
        assert isinstance(expected, Trial), f"{expected} was expected, but the claim gave trial {answer.number}"
        assert (answer.number, answer.root_number) == (expected.number, expected.root)
        assert answer.history == self.model.history(expected.root)
        expected.attempt = answer

    def finish(self) -> None:
        trial = self.running()
        if trial is None or trial.attempt is None:
            return
        outcome = self.random.choice([Outcome.COMPLETE, Outcome.PRUNED])
        state = TrialState[outcome.facts.state]
        for _ in range(self.random.choice([1, 1, 2])):  # sent again, because the answer was lost
            ended = finish_attempt(self.run, trial.attempt, "w", state, [1.0], Ending(outcome))
            assert ended is not None
        trial.state, trial.outcome = state.name, outcome

    def fail(self) -> None:
        trial = self.running()
        if trial is None or trial.attempt is None:
            return
        outcome = self.random.choice(FAILURES)
        history = self.model.history(trial.root)
        ending = Ending(outcome, "x", follow_up=follow_up_of(decide_retry(outcome, history, RETRY)))
        for _ in range(self.random.choice([1, 1, 2])):
            assert finish_attempt(self.run, trial.attempt, "w", TrialState.FAIL, None, ending) is not None
        self.model.fail(trial, outcome, ending.follow_up)

    def fail_many(self) -> None:
        """So many failures at once that the claims settle their number."""
        if self.model.state != "running" or self.random.random() < 0.7:
            return
        rows = (
            "INSERT INTO trials (study_id, number, state) SELECT %s, %s + n, 'FAIL' FROM generate_series(0, 59) n"
        )
        self.run(rows, (self.study.study_id, len(self.model.trials)))
        for _ in range(60):
            self.model.add(state="FAIL")

    def reap(self) -> None:
        trial = self.running()
        if trial is None or trial.attempt is None:
            return
        [(seen,)] = self.run(
            "SELECT heartbeat FROM trial_heartbeats WHERE trial_id = %s", (trial.attempt.trial_id,)
        )
        if self.random.random() < 0.3:  # it beats in the last moment
            self.run("UPDATE trial_heartbeats SET heartbeat = heartbeat + interval '1 s'", None)
            seen_now = False
        else:
            seen_now = True
        follow_up = follow_up_of(decide_retry(Outcome.LOST, self.model.history(trial.root), RETRY))
        ending = Ending(Outcome.LOST, "no heartbeat", follow_up=follow_up)
        ended = fail_and_queue(
            self.run, self.study.study_id, trial.attempt.trial_id, "reaper", ending, seen_beat=seen, event="reap"
        )
        assert (ended is not None) == seen_now
        if seen_now:
            self.model.fail(trial, Outcome.LOST, follow_up, reaped=True)
            self.late.append(trial)

    def finish_late(self) -> None:
        """An attempt that was taken for lost returns its result after all."""
        if not self.late:
            return
        trial = self.late.pop(self.random.randrange(len(self.late)))
        assert trial.attempt is not None
        told = finish_attempt(self.run, trial.attempt, "w", TrialState.COMPLETE, [2.0], Ending(Outcome.COMPLETE))
        assert told is None, "it is fenced"
        retry = None if trial.retried_as is None else self.model.trials[trial.retried_as]
        used = self.model.count(*FINISHED, "RUNNING", phase="search")
        has_place = self.model.budget is None or used < self.model.budget or trial.phase != "search"
        is_kept = retry is not None and retry.state == "WAITING" and has_place
        arguments = (
            trial.attempt, "w", TrialContent(), TrialState.COMPLETE, [2.0], Ending(Outcome.COMPLETE)
        )  # fmt: skip
        for _ in range(self.random.choice([1, 2])):
            assert finish_late(self.run, *arguments) == is_kept
        if retry is not None and is_kept:
            retry.state, retry.outcome = "COMPLETE", Outcome.COMPLETE

    def enqueue(self) -> None:
        points = [json.dumps({"x": self.random.random()}) for _ in range(self.random.choice([1, 2]))]
        rows = self.run(query("enqueue"), {"study_id": self.study.study_id, "points": points, "actor": "me"})
        assert [number for (number,) in rows] == [self.model.add().number for _ in points]

    def set_state(self) -> None:
        state = self.random.choice(["running", "running", "paused", "draining", "stopped"])
        is_changed = self.model.state != state and (
            self.model.state != "done" or state == "running" or self.model.count(*OPEN) > 0
        )
        orders.set_state(self.run, self.study.study_id, state, "", "me")
        if is_changed:
            self.model.state = state

    def set_budget(self) -> None:
        if self.random.random() < 0.3 and orders.finish_study(self.run, self.study.study_id, "limit", "w"):
            assert self.model.state == "running"
            self.model.state = "done"
            return
        self.model.budget = self.random.choice([None, len(self.model.trials), 5, 30])
        self._write_settings()

    def set_max_running(self) -> None:
        self.model.max_running = self.random.choice([None, 1, 2, 4])
        self._write_settings()

    def _write_settings(self) -> None:
        spec = {} if self.model.max_running is None else {"max_running": self.model.max_running}
        orders.write_settings(
            self.run, self.study.study_id, spec=spec, spec_hash=None, versions={},
            budget_trials=self.model.budget, actor="me",
        )  # fmt: skip
        if self.model.state == "done":
            self.model.state = "running"

    def cancel(self) -> None:
        trial = self._any(lambda trial: trial.state in OPEN)
        if trial is None:
            return
        said = orders.cancel_trial(self.run, self.study.study_id, trial.number, "wrong", "me")
        assert said == ("failed" if trial.state == "WAITING" else "told")
        trial.is_cancelled = True
        if trial.state == "WAITING":
            trial.state = "FAIL"

    def retry(self) -> None:
        trial = self._any(lambda trial: trial.state == "FAIL" and trial.retried_as is None)
        if trial is not None:
            number = orders.retry_trial(self.run, self.study.study_id, trial.number, "me")
            self.model.fail(trial, trial.outcome, "requeue")  # type: ignore[arg-type]
            assert number == trial.retried_as

    def confirm(self) -> None:
        if self.model.trials:
            self._queue_beside("confirm")

    def _queue_beside(self, phase: str) -> int:
        number = len(self.model.trials)
        [(is_stored, numbers)] = self.run(
            query("queue_reevaluations"),
            {
                "study_id": self.study.study_id, "order": None, "seen": None, "points": ["{}"],
                "confirms": ['"a"'],
                "marks": [json.dumps({"phase": phase, "point": f"trial {number}", "replicate": 0})],
                "actor": "me", "kind": "confirm", "reason": phase,
            },
        )  # fmt: skip
        assert is_stored
        assert numbers == [self.model.add(phase=phase).number]
        return number

    def _any(self, wanted: Callable[[Trial], bool]) -> Trial | None:
        found = [trial for trial in self.model.trials if wanted(trial)]
        return self.random.choice(found) if found else None

    def _id(self, number: int) -> int:
        rows = "SELECT trial_id FROM trials WHERE study_id = %s AND number = %s"
        return int(self.run(rows, (self.study.study_id, number))[0][0])

    def check(self) -> None:
        rows = self.run(
            "SELECT number, state::text FROM trials WHERE study_id = %s ORDER BY 1", (self.study.study_id,)
        )
        assert rows == [(trial.number, trial.state) for trial in self.model.trials]
        counted = orders.count_budget(self.run, self.study.study_id)
        assert (counted.finished, counted.running, counted.waiting, counted.failed) == (
            self.model.count(*FINISHED, phase="search"), self.model.count("RUNNING", phase="search"),
            self.model.count("WAITING", phase="search"), self.model.count("FAIL", phase="search"),
        )  # fmt: skip
        replicates = [trial for trial in self.model.trials if trial.phase == "confirm"]
        assert counted.open_replicates == sum(trial.state in OPEN for trial in replicates)


@pytest.mark.parametrize("seed", range(16))
def test_every_decision_about_trials_is_the_models(make_study: Callable[..., Any], seed: int) -> None:
    fleet = Fleet(make_study(), seed)
    for _ in range(150):
        fleet.step()
        fleet.check()
    [(doubles,)] = fleet.run(
        "SELECT count(*) FROM (SELECT previous_trial_id FROM hpotool.retries GROUP BY 1 HAVING count(*) > 1) d",
        None,
    )
    assert doubles == 0, "no trial has two successors"


def test_a_claim_sent_again_under_a_new_id_keeps_its_limit(make_study: Callable[..., Any]) -> None:
    """A finite list of points ends where it ends, also for the worker whose first answer was lost."""
    study = make_study()
    worker, attempt_id = study.worker(), new_attempt_id()
    run = study.connection.run
    first = claim_trial(run, study.study_id, worker, attempt_id, create_below=1)
    assert isinstance(first, Attempt)
    fail_and_queue(run, study.study_id, first.trial_id, "reaper", Ending(Outcome.LOST))
    again = claim_trial(run, study.study_id, worker, attempt_id, create_below=1)
    assert isinstance(again, NoTrial), "the list has one point, which was tried"
    assert again.kind == "wait"


def test_the_model_itself_tells_a_wrong_answer(make_study: Callable[..., Any]) -> None:
    fleet = Fleet(make_study(), 0)
    fleet.model.budget = 1
    fleet.study.set_budget(2)
    fleet.model.trials = [replace(Trial(0, 0, "RUNNING"))]
    fleet.run("INSERT INTO trials (study_id, number, state) VALUES (%s, 0, 'RUNNING')", (fleet.study.study_id,))
    with pytest.raises(AssertionError, match="was expected, but the claim gave trial 1"):
        fleet._claim()
