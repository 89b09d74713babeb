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
from hpotool.analysis.results import TrialResult, metric_names
from hpotool.analysis.status import StudyStatus
from hpotool.storage.control.activity import StudyActivity
from hpotool.storage.control.studies import StudyProgress, StudySummary
from hpotool.storage.fleet.origins import SharedOrigin
from hpotool.study.rules.early_ranks import EarlyRanks
from hpotool.study.rules.regret import Regret
from tests.unit.analysis.confirmation.answers import NamedPoint, confirmed, point
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


def point_of(trial: TrialResult) -> NamedPoint:
    return NamedPoint(f"trial {trial.number}", dict(trial.params), trial.number, None, dict(trial.values))


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
    values = {point_of(best): [0.30, 0.31, 0.32]}
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
        "probability": "above 0.99",
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


def repeated(points: dict[float, list[tuple[float, float]]]) -> optuna.Study:
    """A study that measured each point (drop) with these values and violations, in this order."""
    study = make_study("loss")
    for drop, measured in points.items():
        for value, violation in measured:
            add(study, [value], {"drop": drop}, constraints={"size": violation})
    return study


def best_part(blocks: Sequence[Block]) -> list[Block]:
    """What stands below "The best" up to the next heading."""
    places = [place for place, one in enumerate(blocks) if isinstance(one, Heading) and one.level == 3]
    [start] = [place for place in places if blocks[place].text.startswith("The best")]  # type: ignore[union-attr]
    return list(blocks[start : min([place for place in places if place > start], default=len(blocks))])


def test_the_best_trial_is_told_with_the_measurements_of_its_own_point() -> None:
    study = repeated({0.1: [(0.1, 0.0), (0.9, 0.0)], 0.2: [(0.3, 0.0), (0.3, 0.0)]})
    part = best_part(list_blocks([facts(study)], WRITTEN))
    assert isinstance(part[0], Heading)
    assert part[0].text == "The best: trial 0"
    assert "loss is 0.5 as the mean of 2 trials of this point" in texts(part), "not of the point 0.2"
    [grid] = [one for one in part if isinstance(one, Grid)]
    assert list(grid.rows) == [["drop", "0.1"]]


def test_a_best_trial_whose_point_once_broke_a_constraint_has_a_report_too() -> None:
    study = repeated({0.1: [(0.1, -1.0), (0.2, 1.0)]})
    told = texts(list_blocks([facts(study)], WRITTEN))
    assert "The best: trial 0" in told
    assert "loss is 0.15 as the mean of 2 trials of this point" in told


def test_a_best_point_with_one_replicate_is_not_told_by_the_point_of_another_trial() -> None:
    study = searched()
    best = find_best(study).trials[0]
    once = confirmed({point_of(best): [0.3]})
    told = texts(list_blocks([facts(study, confirmed=once)], WRITTEN))
    assert "loss was measured once at this point" in told
    assert "not confirmed" in told


@pytest.mark.parametrize("value", [1.7e308, -1.7e308])
def test_values_at_the_end_of_floats_have_a_report(value: float) -> None:
    study = make_study("loss")
    for one in (value, -value, 1.0, value):
        add(study, [one], {"drop": 0.5})
    blocks = list_blocks([facts(study), facts(study)], WRITTEN)
    assert render_html("t", blocks).endswith("</html>\n")
    assert render_markdown(blocks)


@pytest.mark.parametrize("name", ["x" * 300, "größe/λ 名前", "a\nb\x1b[31m", "-s", "it's $(here)", "<b>"])
def test_a_study_of_any_name_has_a_report_whose_commands_can_be_pasted(name: str) -> None:
    import shlex

    study = optuna.create_study(study_name=name)
    study.set_metric_names(["loss"])
    add(study, [0.1], {"drop": 0.5, "booster": "dart"})
    blocks = list_blocks([facts(study, file={"study": name})], WRITTEN)
    commands = next(block.text for block in blocks if isinstance(block, Code)).splitlines()
    assert all(line.startswith("hpotool ") for line in commands)
    if "\n" not in name:
        assert name in [word.removeprefix("--study=") for word in shlex.split(commands[0])]
        assert f"study={name}-again" in shlex.split(commands[1], comments=True)
        assert shlex.split(commands[2])[-2:] == ["drop=0.5", "booster=dart"]
    render_html(name, blocks)
    render_markdown(blocks)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0.0 s"),
        (0.04, "0.0 s"),
        (59.0, "59.0 s"),
        (59.96, "1.0 min"),
        (60.0, "1.0 min"),
        (3590.0, "59.8 min"),
        (3598.0, "1.0 h"),
        (3600.0, "1.0 h"),
        (5_400.0, "1.5 h"),
        (360_000.0, "100.0 h"),
    ],
)
def test_worker_time_is_told_in_the_unit_that_fits(seconds: float, said: str) -> None:
    study = searched()
    blocks = list_blocks([facts(study, {0: [attempt("complete", seconds)]})], WRITTEN)
    [numbers] = [block for block in blocks if isinstance(block, Facts)]
    assert dict(numbers.pairs)["worker time"] == f"{said}, 0.0 s of them lost"


def test_attempts_are_counted_by_outcome_the_most_costly_first_with_the_latest_reason() -> None:
    attempts = {
        0: [attempt("oom", 60.0), attempt("complete", 600.0)],
        1: [attempt("oom", 120.0), attempt("oom", 30.0)],
        2: [{**attempt("complete", 5.0), "outcome": None}],
    }
    blocks = list_blocks([facts(searched(), attempts)], WRITTEN)
    place = next(place for place, one in enumerate(blocks) if getattr(one, "text", "") == "How attempts ended")
    grid = blocks[place + 1]
    assert isinstance(grid, Grid)
    assert [list(row) for row in grid.rows] == [
        ["complete", "1", "10.0 min", ""],
        ["oom", "3", "3.5 min", "CUDA <out> of memory"],
        ["running", "1", "5.0 s", ""],
    ]


def test_a_study_that_nobody_began_says_so() -> None:
    assert "None has begun." in texts(list_blocks([facts(make_study("loss"))], WRITTEN))


def test_a_long_front_is_cut_and_that_is_said() -> None:
    study = make_study("loss", "size", directions=["minimize", "minimize"])
    for number in range(35):
        add(study, [float(number), float(40 - number)], {"drop": number / 40})
    blocks = list_blocks([facts(study)], WRITTEN)
    front = next(block for block in blocks if isinstance(block, Grid))
    assert len(front.rows) == 30
    assert "35 trials that no other beats in every metric" in texts(blocks)
    assert "The first 30 are shown." in texts(blocks)


def test_a_front_of_trials_with_other_parameters_leaves_cells_empty() -> None:
    study = make_study("loss", "size", directions=["minimize", "minimize"])
    add(study, [1.0, 2.0], {"drop": 0.1})
    add(study, [2.0, 1.0], {"booster": None, "depth": 3})
    front = next(block for block in list_blocks([facts(study)], WRITTEN) if isinstance(block, Grid))
    assert front.columns == ("trial", "loss", "size", "drop", "booster", "depth")
    assert [list(row) for row in front.rows] == [
        ["0", "1.0", "2.0", "0.1", "", ""],
        ["1", "2.0", "1.0", "", "", "3"],
    ]


def test_a_parameter_at_its_edge_is_a_warning() -> None:
    study = make_study("loss")
    add(study, [0.1], {"lr": 1.0, "drop": 0.5})
    warnings = [
        one.text for one in list_blocks([facts(study)], WRITTEN) if isinstance(one, Paragraph) and one.is_warning
    ]
    assert warnings == ["lr is at the upper edge of its range [1e-05, 1]: there may be better ones beyond."]


@pytest.mark.parametrize("count", [1, 2, 8])
def test_every_study_has_its_part_under_its_name(count: int) -> None:
    blocks = list_blocks([facts(searched()) for _ in range(count)], WRITTEN)
    titles = [one.text for one in blocks if isinstance(one, Heading) and one.level == 2]
    assert titles == ([] if count == 1 else ["The studies beside each other", *["known"] * count])
    assert isinstance(blocks[0], Heading)
    assert blocks[0].text == ", ".join(["known"] * count)


def test_studies_of_opposite_directions_say_why_they_are_not_compared() -> None:
    other = make_study("loss", directions=["maximize"])
    add(other, [0.9], {"drop": 0.5})
    told = texts(list_blocks([facts(searched()), facts(other)], WRITTEN))
    assert "loss is minimized in one of the studies and maximized in another" in told


def test_a_study_without_a_result_stands_beside_one_with_a_result() -> None:
    blocks = list_blocks([facts(searched()), facts(make_study("loss"))], WRITTEN)
    beside = next(block for block in blocks if isinstance(block, Grid))
    assert [row[1] == "none" for row in beside.rows] == [False, True]
    assert beside.rows[1][2:4] == ["", ""]
