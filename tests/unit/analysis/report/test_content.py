from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from hpotool.analysis.best import find_best
from hpotool.analysis.compare.sides import make_side
from hpotool.analysis.confirmation.sentence import say_answer
from hpotool.analysis.importance import find_importance
from hpotool.analysis.insights.gain import Gain
from hpotool.analysis.origins.lineage import Lineage
from hpotool.analysis.report.blocks import Block, Code, Facts, Figure, Grid, Heading, Paragraph
from hpotool.analysis.report.content import list_blocks
from hpotool.analysis.report.facts import StudyFacts
from hpotool.analysis.report.html import render_html
from hpotool.analysis.report.markdown import render_markdown
from hpotool.analysis.results import metric_names
from hpotool.analysis.status import StudyStatus
from hpotool.storage.control.activity import StudyActivity
from hpotool.storage.control.studies import StudyProgress, StudySummary
from hpotool.storage.fleet.origins import SharedOrigin
from hpotool.study.rules.early_ranks import EarlyRanks
from hpotool.study.rules.regret import Regret
from tests.unit.analysis.confirmation.answers import confirmed, point
from tests.unit.analysis.studies import add, make_study

WRITTEN = datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)


def attempt(outcome: str, seconds: float, minute: int = 0) -> dict[str, Any]:
    return {
        "worker": "w1", "host": "h", "slot": "cpu", "outcome": outcome, "reason": None, "duration_s": seconds,
        "started": f"2026-01-01T00:{minute:02d}:00+00:00",
    }  # fmt: skip


def facts(study: optuna.Study, attempts: dict[int, list[dict[str, Any]]] | None = None, **more: Any) -> StudyFacts:
    names = metric_names(study)
    counts: dict[str, int] = {}
    for trial in study.trials:
        counts[trial.state.name] = counts.get(trial.state.name, 0) + 1
    summary = StudySummary(study.study_name, dict.fromkeys(names, "minimize"), counts)
    failures = ({"outcome": "oom", "count": 1, "reason": "CUDA <out> of memory", "trial": 1},)
    return StudyFacts(
        study,
        StudyStatus(
            StudyProgress(summary, "done", "", 40, ()),
            find_best(study),
            activity=StudyActivity(failures=failures),
            gain=more.get("gain"),
            early_ranks=more.get("early_ranks"),
            risk=more.get("risk"),
            confirmation=more.get("confirmed"),
        ),
        attempts or {},
        tuple(make_side(study, name, attempts or {}, confirmed=more.get("confirmed")) for name in names),
        more.get("importance", ()),
        more.get("file"),
        more.get("versions", {}),
        more.get("lineage", Lineage(study.study_name, None, SharedOrigin({}, {}), ())),
        more.get("note", ""),
    )


def searched() -> optuna.Study:
    study = make_study("loss")
    rng = random.Random(0)
    for _ in range(30):
        lr, drop = 10 ** rng.uniform(-4, -1), rng.random()
        add(study, [drop + lr], {"lr": lr, "drop": drop})
    return study


def texts(blocks: Sequence[Block]) -> str:
    return "\n".join(
        block.text if isinstance(block, (Heading, Paragraph, Code)) else repr(block)
        for block in blocks
        if not isinstance(block, Figure)
    )


def test_a_study_is_told_from_its_best_to_its_versions() -> None:
    study = searched()
    given = facts(
        study,
        {0: [attempt("oom", 1800), attempt("complete", 3600, 31)]},
        importance=find_importance(study),
        file={"study": "known", "budget": {"trials": 40}},
        versions={"python": "3.11.7", "commit": "abc123+changes"},
    )
    blocks = list_blocks([given], WRITTEN)
    told = texts(blocks)
    headings = [block.text for block in blocks if isinstance(block, Heading)]
    assert headings[0] == "known"
    assert [one for one in headings if one.startswith("Importance for loss")]
    assert headings[-2:] == ["The study file, with every default", "Versions when it was created"]
    assert "2026-01-02 03:04 UTC" in told
    assert "measured once at this point" in told
    assert "CUDA <out> of memory" in told
    assert "git checkout abc123\n" in told
    assert "had changes that its commit does not hold" in told
    assert "1.5 h, 30.0 min of them lost" in told
    [numbers] = [block for block in blocks if isinstance(block, Facts)]
    assert ("finished", "30 of 40") in numbers.pairs
    assert sum(isinstance(block, Figure) for block in blocks) >= 5


def test_a_point_that_was_measured_several_times_has_an_interval() -> None:
    study = make_study("loss")
    for value in (0.1, 0.2, 0.3):
        add(study, [value], {"drop": 0.5})
    assert "0.2 as the mean of 3 trials of this point, 95 % interval [" in texts(
        list_blocks([facts(study)], WRITTEN)
    )


@pytest.mark.parametrize("state", [None, TrialState.FAIL])
def test_a_study_without_a_result_has_a_report_too(state: TrialState | None) -> None:
    study = make_study("loss")
    if state is not None:
        add(study, None, {"drop": 0.1}, state=state)
    blocks = list_blocks([facts(study, importance=("nothing can be told",))], WRITTEN)
    assert "There is none: no trial is complete yet." in texts(blocks)
    assert "nothing can be told" in texts(blocks)
    assert render_html("t", blocks).endswith("</html>\n")
    assert render_markdown(blocks).startswith("# known")


def test_of_several_metrics_the_front_is_told() -> None:
    study = make_study("loss", "size", directions=["minimize", "minimize"])
    for number in range(10):
        add(study, [float(number), float(10 - number)], {"drop": number / 10})
    blocks = list_blocks([facts(study)], WRITTEN)
    assert "10 trials that no other beats in every metric" in texts(blocks)
    front = next(block for block in blocks if isinstance(block, Grid))
    assert front.columns == ("trial", "loss", "size", "drop")


def test_several_studies_are_compared_first() -> None:
    told = texts(list_blocks([facts(searched()), facts(searched())], WRITTEN))
    assert told.index("The studies beside each other") < told.index("The best: trial")
    assert "known against known: equal" in told


def test_studies_of_different_metrics_are_not_compared() -> None:
    other = make_study("accuracy", directions=["maximize"])
    add(other, [0.9], {"drop": 0.5})
    assert "They measure different metrics" in texts(list_blocks([facts(searched()), facts(other)], WRITTEN))


def test_what_search_may_gain_and_whether_pruning_is_safe_is_told_with_its_numbers() -> None:
    given = facts(
        searched(),
        gain=Gain("loss", Regret(0.0123, 0.0456, 30, 7), 130.0),
        early_ranks=EarlyRanks("at step 3 of 12", 0.8, 40),
    )
    blocks = list_blocks([given], WRITTEN)
    told = texts(blocks)
    assert "Further search can improve loss over trial 7 by 0.012 (expected)" in told
    assert "A trial takes 2.2 min of worker time." in told
    assert "how far the best trial of the search may be from the best point of its space" in told
    assert "Ranks at step 3 of 12 correlate with final ranks by 0.80" in told
    risky = facts(searched(), early_ranks=EarlyRanks("early", -0.5, 40), risk="it is")
    [warning] = [one for one in list_blocks([risky], WRITTEN) if isinstance(one, Paragraph) and one.is_warning]
    assert "may end the best ones" in warning.text
    assert "What further search may gain" not in texts(list_blocks([facts(searched())], WRITTEN))


def test_a_confirmed_best_is_told_by_its_replicates_and_one_that_is_not_is_called_so() -> None:
    study = searched()
    best = find_best(study).trials[0]
    values = {point(best.number, best.params["drop"], best.values["loss"]): [0.30, 0.31, 0.32]}
    told = texts(list_blocks([facts(study, confirmed=confirmed(values))], WRITTEN))
    assert "loss is 0.31 as the mean of 3 confirmations with fresh seeds, 95 % interval [" in told
    assert f"The search saw {best.values['loss']:.6g} there." in told
    assert "not confirmed" not in told
    assert "The best is not confirmed. To measure it again: hpotool confirm --study known" in texts(
        list_blocks([facts(study)], WRITTEN)
    )
    both = [facts(study, confirmed=confirmed(values)), facts(study)]
    assert "Not confirmed: the best of known." in texts(list_blocks(both, WRITTEN))


def test_every_point_that_was_measured_again_is_told_with_the_answer() -> None:
    answer = confirmed({point(0, 0.1, 0.1): [0.9, 0.91, 0.9], point(1, 0.3, 0.3): [0.31, 0.3, 0.31]})
    blocks = list_blocks([facts(searched(), confirmed=answer)], WRITTEN)
    [grid] = [block for block in blocks if isinstance(block, Grid) and "replicates" in block.columns]
    assert [row[0] for row in grid.rows] == ["trial 1", "trial 0"]
    assert dict(zip(grid.columns, grid.rows[0], strict=True)) == {
        "point": "trial 1",
        "probability": "1.00",
        "loss": "0.3067 ± 0.0033",
        "loss in the search": "0.3",
        "replicates": "3",
    }
    assert say_answer(answer) in texts(blocks)
    assert "Measured again" not in texts(list_blocks([facts(searched())], WRITTEN))


def test_the_note_is_shown_as_it_was_written() -> None:
    note = "# second run\n<b>dropout</b> | looks `useless`"
    blocks = list_blocks([facts(searched(), note=note)], WRITTEN)
    assert Code(note, "Note") in blocks
    assert "&lt;b&gt;dropout&lt;/b&gt;" in render_html("r", blocks)
    assert f"```\n{note}\n```" in render_markdown(blocks)
