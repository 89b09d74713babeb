"""What a pool's worker does when no study has a place any more."""

from __future__ import annotations

from hpotool.worker.loop import Departure
from hpotool.worker.pool.pool_loop import judge_end


def test_it_leaves_in_peace_when_everything_is_over() -> None:
    assert judge_end("gpus", {}) == Departure("every study of pool gpus is done or stopped")


def test_it_leaves_as_failed_when_the_rest_cannot_run_here() -> None:
    left = judge_end("gpus", {1: "torch is missing", 2: "no price for 'cpu'"})
    assert left.exit_code == 1
    assert left.reason == ("no study that is left in pool gpus can run here: torch is missing; no price for 'cpu'")
