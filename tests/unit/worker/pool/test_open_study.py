"""Which changes of a study a worker takes over without opening it anew."""

from __future__ import annotations

import pytest

from hpotool.study.file.reader import read_study_file
from hpotool.worker.pool.open_study import works_alike

TEXT = """
study: s
objective: {python: m:f, timeout: 1h}
metrics: {loss: minimize}
search_space: {x: {float: [0, 1]}}
budget: {trials: 10}
"""


def _is_alike(change: str) -> bool:
    return works_alike(read_study_file(TEXT), read_study_file(TEXT, None, [change]))


@pytest.mark.parametrize(
    "change",
    [
        "pool=gpus", "priority=4", "weight=2", "max_running=1", "owner=ann", "preempt=true", "budget.trials=20",
        "budget.wall=2h", "description=new", "tags.project=x",
    ],
)  # fmt: skip
def test_what_only_claims_and_people_read_changes_nothing(change: str) -> None:
    assert _is_alike(change)


@pytest.mark.parametrize(
    "change",
    [
        "objective.timeout=2h", "search_space.x.float=[0, 2]", "retry.crash=4", "keep=all", "on_oom=infeasible",
        "budget.prices.cpu=1", "tracking.tensorboard=/runs", "strict=true",
    ],
)  # fmt: skip
def test_what_a_trial_runs_with_opens_the_study_anew(change: str) -> None:
    assert not _is_alike(change)
