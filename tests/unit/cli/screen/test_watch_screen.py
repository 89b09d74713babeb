import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from hpotool.analysis.candidates import BestTrials
from hpotool.analysis.insights.gain import Gain
from hpotool.analysis.results import TrialResult
from hpotool.analysis.status import StudyStatus, TierProgress
from hpotool.cli.commands.look.status import draw_status
from hpotool.cli.screen.watch_screen import Footer, WatchScreen, share
from hpotool.storage.control.activity import StudyActivity
from hpotool.storage.control.studies import StudyProgress, StudySummary
from hpotool.study.rules.regret import Regret
from tests.unit.cli.drawing import HOSTILE

REASON = "ValueError: loss diverged: the learning rate is too high\nfor this [model]"
PARAMETERS: dict[str, Any] = {f"a_parameter_{place}": place / 7 for place in range(9)} | {"boosting": "gbdt"}
WORKERS = tuple(
    {"id": f"gpu-{place}-1-abc", "host": "gpu", "pid": 1, "slot": "0", "trial": place, "last_beat_s": beat_s}
    for place, beat_s in enumerate((2.0, 31.0, 688.9))
)
LATEST = tuple(
    {
        "trial": number,
        "first_trial": 43 if number == 44 else number,
        "outcome": "error" if number % 3 else "complete",
        "reason": "ValueError: loss diverged: the learning rate is too high\nfor this [model]"
        if number % 3
        else "",
        "host": "gpu",
        "duration_s": 12.5,
    }
    for number in range(45, 0, -1)
)
FOUND = StudyStatus(
    StudyProgress(
        StudySummary("lightgbm", {"accuracy": "maximize"}, {"COMPLETE": 15, "FAIL": 30, "RUNNING": 3}),
        "running",
        "",
        60,
        WORKERS,
    ),
    BestTrials((TrialResult(33, {"accuracy": 0.964912}, PARAMETERS, {}),), 15, 15),
    activity=StudyActivity(
        99,
        90,
        1,
        12.5,
        20.0,
        tried_again=10,
        handed_back=2,
        failures=({"outcome": "error", "count": 30, "reason": REASON, "trial": 44},),
        latest=LATEST,
        steps={"gpu-0-1-abc": 7},
    ),
    best_values=(0.5, 0.7, 0.964912),
    latest_values={45: {"accuracy": 0.75}, 33: {"accuracy": 0.964912}},
)
FORSAKEN = replace(
    FOUND,
    progress=replace(
        FOUND.progress, workers=WORKERS[2:], summary=replace(FOUND.progress.summary, trials={"RUNNING": 1})
    ),
    activity=replace(FOUND.activity, departed=({"id": "w", "host": "h", "reason": "breaker: x", "ago_s": 3},)),
)
FRONT = replace(
    FOUND,
    progress=replace(
        FOUND.progress, summary=replace(FOUND.progress.summary, metrics={"a": "maximize", "b": "minimize"})
    ),
    best=BestTrials(tuple(TrialResult(n, {"a": n, "b": 0.1}, PARAMETERS, {}) for n in range(40)), 40, 40),
    tiers=(TierProgress(3, 9, 4, 1), TierProgress(9, 3, 0, 0)),
)
NEW = StudyStatus(
    StudyProgress(StudySummary("new", {"x": "minimize"}, {}), "running", "", None, ()), BestTrials((), 0, 0)
)


def drawn(found: StudyStatus, width: int, height: int, **options: Any) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, height=height)
    console.print(WatchScreen(found, Footer("q leave"), **options))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("size", [(80, 24), (200, 50), (120, 40), (40, 12), (20, 5), (300, 100)], ids=str)
@pytest.mark.parametrize("found", [FOUND, FORSAKEN, FRONT, NEW], ids=["usual", "forsaken", "front", "new"])
def test_the_screen_is_as_large_as_the_terminal_and_ends_with_the_keys(
    found: StudyStatus, size: tuple[int, int]
) -> None:
    lines = drawn(found, *size)
    assert len(lines) == size[1]
    assert max(map(len, lines)) <= size[0]
    assert lines[-1] == "q leave"
    assert found.progress.summary.name in lines[0]


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=str)
def test_everything_that_matters_is_on_the_screen(size: tuple[int, int]) -> None:
    text = "\n".join(drawn(FOUND, *size))
    for part in (
        "15/60  25%",
        "18 failed · 10 tried again · 2 handed back",
        "elapsed 90 s · 12 s per trial · 180/h · done in about 15 min (",
        "best accuracy 0.9649 in trial 33  ▁",
        "boosting gbdt",
        "gpu-2-1-abc is gone: not heard of for 11 min, with trial 2",
        "31 s ago",
        "silent",
        "ValueError: loss",
    ):
        assert part in text, part
    assert "gpu-2-1-abc     " not in text, "who is gone is not listed with the others"
    assert "[model]" in "\n".join(drawn(FOUND, 300, 50))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)], ids=str)
def test_what_further_search_may_gain_is_below_the_best(size: tuple[int, int]) -> None:
    gain = Gain("accuracy", Regret(0.0123, 0.0456, 40, 33), 61.5)
    lines = drawn(replace(FOUND, gain=gain), *size)
    column = (size[0] - 3) * 11 // 20 + 3 if size[0] >= 150 else 0  # the right one of two
    text = " ".join(" ".join(line[column:] for line in lines).split())
    assert gain.outlook in text
    assert text.index("best accuracy") < text.index("further search")
    assert len(lines) == size[1]


def test_a_wide_screen_is_used() -> None:
    lines = drawn(FOUND, 200, 50)
    assert sum(bool(line.strip()) for line in lines) > 45
    assert any(len(line) > 150 for line in lines[5:])


def test_nobody_works_says_how_to_start_and_why_the_last_ones_left() -> None:
    for text in ("\n".join(drawn(FORSAKEN, 80, 24)), _status(FORSAKEN)):
        assert "no workers; to start one: hpotool worker --study lightgbm" in text
        assert "w left 3.0 s ago: breaker: x" in text


def test_the_best_of_the_latest_trials_come_first_when_asked() -> None:
    numbers = [
        line.split()[0] for line in drawn(FOUND, 80, 40, best_first=True) if line.split()[1:2] == ["complete"]
    ]
    assert numbers[:2] == ["33", "45"]


def test_room_goes_to_the_least_of_each_first() -> None:
    assert share(20, [10, 9, 9], [4, 4, 4]) == [10, 6, 4]
    assert share(6, [10, 9, 9], [4, 4, 4]) == [4, 2, 0]
    assert share(0, [10], [4]) == [0]
    assert share(99, [1, 2], [4, 4]) == [1, 2]


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("found", [FOUND, FORSAKEN, FRONT, NEW], ids=["usual", "forsaken", "front", "new"])
def test_status_fits_every_terminal(found: StudyStatus, width: int) -> None:
    assert max(map(len, _status(found, width).splitlines())) <= width


def _status(found: StudyStatus, width: int = 80) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(draw_status(found))
    return file.getvalue()


def hostile(found: StudyStatus) -> StudyStatus:
    """The same study with every text from elsewhere as bad as it can be."""
    progress = found.progress
    workers = tuple({**one, "id": HOSTILE, "slot": HOSTILE, "waits": HOSTILE} for one in progress.workers)
    activity = replace(
        found.activity,
        failures=tuple({**one, "outcome": HOSTILE, "reason": HOSTILE} for one in found.activity.failures),
        latest=tuple({**one, "reason": HOSTILE, "outcome": HOSTILE} for one in found.activity.latest),
        departed=tuple({**one, "id": HOSTILE, "reason": HOSTILE} for one in found.activity.departed),
    )
    trials = tuple(replace(one, params={HOSTILE: HOSTILE}) for one in found.best.trials)
    return replace(
        found,
        progress=replace(
            progress,
            summary=replace(progress.summary, name=HOSTILE),
            reason=HOSTILE,
            warning=HOSTILE,
            workers=workers,
        ),
        best=replace(found.best, trials=trials),
        activity=activity,
        risk=HOSTILE,
        different=({"worker": HOSTILE, "differs": HOSTILE},),
    )


@pytest.mark.parametrize("found", [FOUND, FORSAKEN, FRONT, NEW], ids=["usual", "forsaken", "front", "new"])
def test_nothing_that_anybody_stored_is_obeyed_by_a_terminal(found: StudyStatus) -> None:
    bad = hostile(found)
    for text in (_status(bad, 300), "\n".join(drawn(bad, 300, 60)), "\n".join(drawn(bad, 80, 40))):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "[red]x[/red]" in text
