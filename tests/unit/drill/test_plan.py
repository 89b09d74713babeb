from __future__ import annotations

import json

from hpotool.drill.attacks import Attack
from hpotool.drill.invariants import Facts, judge
from hpotool.drill.plan import Report
from hpotool.storage.monitoring.evidence import AttemptEvidence, Evidence, TrialEvidence
from tests.unit.drill.plans import PLAN


def report(budget: int) -> Report:
    evidence = Evidence([TrialEvidence(0, 0, "COMPLETE", 0.5, 1)], [AttemptEvidence(0, 0, "complete")])
    attacks = [Attack(1.234, "stop", "worker 1", 3.0)]
    return Report("drill-1", PLAN, 12.34, True, 2, attacks, judge(Facts(budget, evidence)), evidence)


def test_a_report_passes_if_every_invariant_holds() -> None:
    assert report(1).passed
    assert not report(2).passed


def test_a_report_as_data_is_json_and_says_what_broke() -> None:
    data = json.loads(json.dumps(report(2).as_data()))
    assert (data["study"], data["passed"], data["seed"], data["took_s"]) == ("drill-1", False, 7, 12.3)
    assert data["attacks"] == [{"at_s": 1.2, "kind": "stop", "target": "worker 1", "for_s": 3.0}]
    assert data["attempts_by_outcome"] == {"complete": 1}
    broken = [each for each in data["invariants"] if not each["holds"]]
    assert [(each["guarantee"], each["violations"]) for each in broken] == [("G1", ["1 trial is finished, not 2"])]


def test_who_joins_gets_the_pulse_of_the_drill() -> None:
    assert PLAN.joining_variables == {"HPOTOOL_HEARTBEAT_INTERVAL_S": "0.5", "HPOTOOL_GRACE_PERIOD_S": "2"}
