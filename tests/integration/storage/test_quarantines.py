"""Quarantines in the database: who gets trials, what runs again, and what is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from optuna.trial import TrialState

from hpotool.storage.control import orders
from hpotool.storage.control.health import read_study_health
from hpotool.storage.fleet import quarantines
from hpotool.storage.fleet.attempts import Attempt, Ending, NoTrial, claim_trial, finish_attempt, new_attempt_id
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.study.outcome import Outcome
from hpotool.study.rules.quarantine import Place, judge_place
from hpotool.worker.membership.placement import Placement

GRACE = timedelta(seconds=30)


def worker_on(study, host: str, *devices: str) -> WorkerIdentity:
    worker = WorkerIdentity(f"{host}-{len(study.workers)}", host, 1, "boot", "1", "gpu 0" if devices else "cpu")
    orders.register_worker(study.connection.run, study.study_id, worker, devices=devices)
    study.workers.append(worker)
    return worker


def end(study, worker: WorkerIdentity, outcome: Outcome = Outcome.COMPLETE, follow_up: str = "none") -> Attempt:
    attempt = study.claim(worker)
    assert isinstance(attempt, Attempt), attempt
    state = TrialState.COMPLETE if outcome.is_finished else TrialState.FAIL
    ending = Ending(outcome, follow_up=follow_up)
    finish_attempt(
        study.connection.run, attempt, worker.worker_id, state, [1.0] if outcome.is_finished else None, ending
    )
    return attempt


def begin(study, place: Place, roots: tuple[int, ...] = (), **more: object) -> int | None:
    return quarantines.begin_quarantine(
        study.connection.run, study.study_id, place, "it smokes", "ann", roots=roots, **more
    )


def placement(study, worker: WorkerIdentity, *devices: str) -> Placement:
    return Placement(study.connection.run, worker.worker_id, devices, GRACE)


def judge(study, worker: WorkerIdentity, failed: Attempt, *devices: str) -> str | None:
    found = placement(study, worker, *devices).judge(failed, has_breaker=True, has_quarantine=True)
    return None if found is None else found.reason


def test_a_host_that_fails_what_succeeds_elsewhere_takes_no_more_and_its_trials_run_again_elsewhere(
    make_study,
) -> None:
    study = make_study(budget=20)
    good, bad, other = worker_on(study, "good"), worker_on(study, "bad"), worker_on(study, "bad")
    for _ in range(12):
        end(study, good)
    failed = [end(study, worker, Outcome.ERROR) for worker in (bad, other)]
    assert [judge(study, worker, each) for worker, each in zip((bad, other), failed, strict=True)] == [None, None]
    running = study.claim(other)  # it runs while the third one opens the quarantine
    failed.append(end(study, bad, Outcome.ERROR))
    assert judge(study, bad, failed[-1]) is None, "it waits, and does not leave"

    for worker in (bad, other):
        answer = study.claim(worker)
        assert isinstance(answer, NoTrial)
        assert answer.kind == "quarantined"
        assert answer.reason.startswith("bad is in quarantine until 20")
        assert "3 of the last 3 points failed here, and 0 of 12 elsewhere" in answer.reason
    again = [study.claim(good) for _ in range(3)]
    assert [each.root_number for each in again] == [each.number for each in failed]
    assert [each.history for each in again] == [(), (), ()], "what failed there uses up no retry"

    finish_attempt(study.connection.run, running, other.worker_id, TrialState.FAIL, None, Ending(Outcome.CRASH))
    assert judge(study, other, running) is None
    assert study.claim(good).root_number == running.number
    assert judge(study, other, running) is None
    assert sum(state == "WAITING" for state in study.states().values()) == 0, "it is handed back once"
    kinds = [(e.kind, e.to_state, e.actor) for e in orders.read_events(study.connection.run, study.study_id)]
    assert kinds.count(("quarantine", "quarantined", bad.worker_id)) == 1


def test_numbers_and_the_budget_stay_exact_when_several_trials_are_handed_back_at_once(make_study) -> None:
    study = make_study(budget=6)
    good, bad = worker_on(study, "good"), worker_on(study, "bad")
    failed = [end(study, bad, Outcome.OOM) for _ in range(4)]
    assert begin(study, Place("bad"), tuple(each.number for each in failed)) == 4
    assert sorted(study.states()) == list(range(8))
    while isinstance(study.claim(good), Attempt):
        pass
    states = list(study.states().values())
    assert (states.count("RUNNING"), states.count("FAIL"), states.count("WAITING")) == (6, 4, 0)
    rows = study.connection.run("SELECT number, root_number FROM hpotool.attempts WHERE number BETWEEN 4 AND 7")
    assert sorted(rows) == [(4, 0), (5, 1), (6, 2), (7, 3)], "each has the parameters of the one it repeats"


def test_what_is_followed_by_a_retry_or_was_cancelled_is_not_queued_twice(make_study) -> None:
    study = make_study()
    bad, good = worker_on(study, "bad"), worker_on(study, "good")
    crashed = end(study, bad, Outcome.CRASH, follow_up="retry")
    retry = study.claim(good)
    cancelled = study.claim(bad)
    orders.cancel_trial(study.connection.run, study.study_id, cancelled.number, "no use", "ann")
    finish_attempt(study.connection.run, cancelled, "bad", TrialState.FAIL, None, Ending(Outcome.ERROR))
    roots = (crashed.number, cancelled.number)
    assert begin(study, Place("bad"), roots) == 0
    assert begin(study, Place("bad"), roots) is None, "it is in quarantine already"
    # The crash there does not count: the next one is the first of its lineage.
    finish_attempt(
        study.connection.run, retry, "good", TrialState.FAIL, None, Ending(Outcome.CRASH, follow_up="retry")
    )
    assert study.claim(good).history == (Outcome.CRASH,)


def test_the_only_host_at_work_is_never_put_in_quarantine_by_itself(make_study) -> None:
    study = make_study()
    good, bad = worker_on(study, "good"), worker_on(study, "bad")
    here = Place("bad")
    orders.end_worker(study.connection.run, good.worker_id, "gone home")
    assert begin(study, here, needs_others_within=GRACE) is None
    silent = worker_on(study, "silent")
    study.connection.run(
        "UPDATE hpotool.workers SET last_beat = now() - interval '1 hour' WHERE worker_id = %s",
        (silent.worker_id,),
    )
    assert begin(study, here, needs_others_within=GRACE) is None
    elsewhere = worker_on(study, "elsewhere")
    begin(study, Place("elsewhere"))
    assert begin(study, here, needs_others_within=GRACE) is None, "who is in quarantine does not count"
    quarantines.lift_quarantines(study.connection.run, study.study_id, "elsewhere", "ann")
    assert begin(study, here, needs_others_within=GRACE) == 0
    assert isinstance(study.claim(elsewhere), Attempt)
    assert isinstance(study.claim(bad), NoTrial)


def test_a_device_is_left_alone_wherever_it_is_seen_and_the_host_goes_on(make_study) -> None:
    study = make_study()
    begin(study, Place("h", "GPU-a"))
    taken = {
        name: isinstance(study.claim(worker_on(study, host, *devices)), Attempt)
        for name, host, devices in [
            ("the device", "h", ("GPU-a",)),
            ("the device under another name", "pod-7", ("GPU-a",)),
            ("with another device", "h", ("GPU-b", "GPU-a")),
            ("another device of the host", "h", ("GPU-b",)),
            ("the host without a GPU", "h", ()),
        ]
    }
    assert taken == {
        "the device": False,
        "the device under another name": False,
        "with another device": False,
        "another device of the host": True,
        "the host without a GPU": True,
    }


@pytest.mark.parametrize("how", ["lifted", "expired"])
def test_what_was_before_the_end_of_a_quarantine_is_forgiven(make_study, how: str) -> None:
    study = make_study()
    good, bad = worker_on(study, "good"), worker_on(study, "bad")
    for _ in range(20):
        end(study, good)
    for _ in range(5):
        end(study, bad, Outcome.ERROR)
    assert begin(study, Place("bad")) is not None
    if how == "lifted":
        lifted = quarantines.lift_quarantines(study.connection.run, study.study_id, "bad", "ann")
        assert lifted == ["bad"]
    else:
        study.connection.run("UPDATE hpotool.quarantines SET until = clock_timestamp()")
    assert quarantines.list_quarantines(study.connection.run, study.study_id) == []
    [past] = quarantines.list_quarantines(study.connection.run, study.study_id, with_past=True)
    assert (past.place, past.is_open, past.lifted_by) == (
        Place("bad"),
        False,
        "ann" if how == "lifted" else None,
    )
    failed = end(study, bad, Outcome.ERROR)
    evidence = quarantines.read_failure_evidence(study.connection.run, study.study_id, bad.worker_id)
    assert [each.outcome for each in evidence.placed if each.host == "bad"] == [Outcome.ERROR]
    assert evidence.quarantine is None
    assert judge_place("bad", (), evidence.placed) is None
    assert failed.number == 25


def test_the_newest_attempts_of_each_place_are_what_is_judged(make_study) -> None:
    study = make_study()
    good, bad = worker_on(study, "good", "GPU-g"), worker_on(study, "bad")
    for _ in range(quarantines._OF_EACH_WORKER + 3):
        end(study, good)
    end(study, bad)
    last = end(study, bad, Outcome.STALLED)
    evidence = quarantines.read_failure_evidence(study.connection.run, study.study_id, bad.worker_id)
    here = [each for each in evidence.placed if each.host == "bad"]
    assert [(each.outcome, each.root) for each in here] == [
        (Outcome.STALLED, last.number),
        (Outcome.COMPLETE, last.number - 1),
    ]
    there = [each for each in evidence.placed if each.host == "good"]
    assert len(there) == quarantines._OF_EACH_WORKER
    assert there[0].devices == ("GPU-g",)
    assert [each.root for each in there] == sorted((each.root for each in there), reverse=True)
    assert evidence.host == "bad"


def test_a_worker_in_quarantine_leaves_a_study_that_is_over_and_runs_the_final_it_was_started_for(
    make_study,
) -> None:
    study = make_study(budget=1)
    bad, good = worker_on(study, "bad"), worker_on(study, "good")
    begin(study, Place("bad"))
    end(study, good)
    assert study.claim(bad).kind == "done"
    study.optuna.enqueue_trial({})
    trial = study.optuna.get_trials(deepcopy=False)[1]
    study.optuna._storage.set_trial_system_attr(
        trial._trial_id, "hpotool:phase", {"phase": "final", "point": "p", "replicate": 0}
    )
    claimed = claim_trial(
        study.connection.run, study.study_id, bad, new_attempt_id(), final_trial_id=trial._trial_id
    )
    assert isinstance(claimed, Attempt)


def test_a_failure_of_the_moment_in_which_another_worker_begins_the_quarantine_is_handed_back(make_study) -> None:
    study = make_study(budget=20)
    good, bad, other = worker_on(study, "good"), worker_on(study, "bad"), worker_on(study, "bad")
    for _ in range(12):
        end(study, good)
    known = tuple(end(study, bad, Outcome.ERROR).number for _ in range(3))
    failed = end(study, other, Outcome.ERROR)
    begun: list[int | None] = []

    def run(sql: str, parameters: object = ()) -> object:
        answer = study.connection.run(sql, parameters)
        if not begun:  # just after the evidence was read
            begun.append(begin(study, Place("bad"), known))
        return answer

    assert Placement(run, other.worker_id, (), GRACE).judge(failed, has_breaker=True, has_quarantine=True) is None
    assert begun == [3]
    assert [study.claim(good).root_number for _ in range(4)] == [*known, failed.number]


def test_a_failure_costs_one_read(make_study) -> None:
    study = make_study()
    bad = worker_on(study, "bad")
    failed = end(study, bad, Outcome.ERROR)
    sent: list[str] = []

    def run(sql: str, parameters: object = ()) -> object:
        sent.append(sql)
        return study.connection.run(sql, parameters)

    Placement(run, bad.worker_id, (), GRACE).judge(failed, has_breaker=True, has_quarantine=True)
    assert len(sent) == 1


def test_a_breaker_still_opens_where_there_is_nobody_else(make_study) -> None:
    study = make_study()
    alone = worker_on(study, "only")
    for _ in range(10):
        failed = end(study, alone, Outcome.ERROR)
    assert "the last 10 different points failed on this worker (error)" in (judge(study, alone, failed) or "")
    judged = placement(study, alone).judge(failed, has_breaker=False, has_quarantine=True)
    assert judged is None
    assert quarantines.list_quarantines(study.connection.run, study.study_id) == []


def test_the_host_of_a_device_is_the_last_that_had_it(make_study) -> None:
    study = make_study()
    for host in ("pod-1", "pod-2"):
        worker_on(study, host, "GPU-a")
    assert quarantines.find_host_of_device(study.connection.run, study.study_id, "GPU-a") == "pod-2"
    assert quarantines.find_host_of_device(study.connection.run, study.study_id, "GPU-z") is None


def test_doctor_sees_what_is_in_quarantine(make_study) -> None:
    study = make_study()
    begin(study, Place("gpu7"))
    begin(study, Place("gpu8", "GPU-a"))
    begin(study, Place("gpu9"))
    quarantines.lift_quarantines(study.connection.run, study.study_id, "gpu9", "ann")
    health = read_study_health(study.connection.run, study.study_id, silent_after_s=20, gone_after_s=60)
    assert list(health.quarantined) == ["gpu7", "GPU-a"]


def test_after_a_quarantine_the_breaker_begins_anew(make_study) -> None:
    study = make_study()
    good, bad = worker_on(study, "good"), worker_on(study, "bad")
    for _ in range(12):
        end(study, good)
    for _ in range(3):
        failed = end(study, bad, Outcome.ERROR)
        assert judge(study, bad, failed) is None
    quarantines.lift_quarantines(study.connection.run, study.study_id, "bad", "ann")
    for _ in range(2):
        assert judge(study, bad, end(study, bad, Outcome.ERROR)) is None
    assert quarantines.list_quarantines(study.connection.run, study.study_id) == []
