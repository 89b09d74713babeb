"""The progress of finished trials, one after the other."""

from collections.abc import Iterable, Sequence
from functools import reduce

from hpotool.study.rules.budget import FinishedTrial, Progress, advance
from hpotool.study.spec import MetricSpec


def progress_of(results: Iterable[FinishedTrial], metrics: Sequence[MetricSpec]) -> Progress:
    return reduce(lambda progress, result: advance(progress, result, metrics), results, Progress())
