"""The answer of a confirmation in one sentence or two, for people who decide by it."""

from __future__ import annotations

from collections.abc import Iterator

from hpotool.analysis.confirmation.answer import ConfirmationAnswer, ConfirmedPoint
from hpotool.analysis.confirmation.origins import say_other_origins
from hpotool.study.wording import count_of, say_probability

_AGREED = 0.9  # probability from which on two points are told apart in a sentence
_MOST_RIVALS = 5


def say_answer(answer: ConfirmationAnswer) -> str:
    """What was found, as far as it is known, and what was not the same when it was measured; never empty."""
    return " ".join(filter(None, [_say_found(answer), say_other_origins(answer.origins.differs)]))


def _say_found(answer: ConfirmationAnswer) -> str:
    if answer.is_open:
        asked = count_of(len(answer.replicates), "replicate has", "replicates have")
        return f"{answer.count('COMPLETE', 'FAIL', 'PRUNED')} of {asked} ended; no verdict yet."
    able = [point for point in answer.points if point.point.name in answer.judgement.names]
    if not able:
        return "Nothing was confirmed: no point has finite measurements that meet every constraint."
    say = _say_front if len(answer.metrics) > 1 else _say_best
    return " ".join([*say(answer, able), *_say_deaf(able)])


def _say_deaf(able: list[ConfirmedPoint]) -> Iterator[str]:
    """That the seeds changed nothing: then measuring again has measured nothing."""
    repeated = [one for one in able if one.measured > 1]
    if repeated and all(error == 0 for one in repeated for error in one.standard_error.values()):
        yield (
            "Every replicate of a point gave the same value: the objective does not draw on its seed "
            "(hpotool.seed()), and this says no more than the search did."
        )


def _say_best(answer: ConfirmationAnswer, able: list[ConfirmedPoint]) -> Iterator[str]:
    metric, best = next(iter(answer.metrics)), able[0]
    probability = say_probability(best.probability_best)
    if len(able) == 1:
        yield from _say_alone(answer, best, metric)
    elif answer.is_decided:
        yield f"{_name(best)} is the best with probability {probability}: {say_mean(best, metric)}."
    else:
        yield (
            f"It is not decided: {_inner_name(best)} is the best with probability {probability} "
            f"({say_mean(best, metric)}), others: {_say_rivals(answer, able)}."
        )
    yield from _say_luck(answer, able, metric)
    yield from _say_baseline(answer, able, metric)


def _say_alone(answer: ConfirmationAnswer, best: ConfirmedPoint, metric: str) -> Iterator[str]:
    """A point that there is nothing to compare with, and why."""
    why = "no other point was measured to compare it with"
    if len(answer.points) > 1:
        why = "no other point has finite measurements that meet every constraint"
    yield f"{_name(best)} has {say_mean(best, metric)}; {why}."


def _say_rivals(answer: ConfirmationAnswer, able: list[ConfirmedPoint]) -> str:
    doubt = (1 - answer.confidence) / len(able)
    rivals = [one for one in able[1:] if one.probability_best > doubt] or able[1:2]
    said = [f"{_inner_name(one)} {say_probability(one.probability_best)}" for one in rivals[:_MOST_RIVALS]]
    more = len(rivals) - len(said)
    return ", ".join([*said, *([f"and {more} more"] if more else [])])


def _say_luck(answer: ConfirmationAnswer, able: list[ConfirmedPoint], metric: str) -> Iterator[str]:
    """The point that looked best in the search, where it is not the best."""
    lucky = luckiest(answer)
    if lucky is None or lucky is able[0] or not lucky.mean:
        return
    seen = (lucky.point.found or {})[metric]
    is_sure = able[0].probability_best >= answer.confidence or lucky.probability_best <= 1 - _AGREED
    verdict = ": it is not the best" if is_sure else ": it may not be the best"
    if not lucky.is_feasible:
        verdict = ", and breaks a constraint"
    yield (
        f"{_name(lucky)} looked best in the search, with {metric} {seen:.4g}; measured again it has "
        f"{say_number(lucky, metric)}{verdict}."
    )


def _say_baseline(answer: ConfirmationAnswer, able: list[ConfirmedPoint], metric: str) -> Iterator[str]:
    baseline = next((one for one in answer.points if one.point.is_baseline), None)
    if baseline is None or len(answer.points) == 1:
        return
    best = able[0]
    if baseline not in able:
        why = "breaks a constraint" if baseline.mean and not baseline.is_feasible else "has no finite measurement"
        yield f"The baseline {why}, so nothing is compared with it."
    elif best is not baseline:
        yield from _say_difference(best, metric)
    elif len(able) > 1:
        is_sure = best.probability_best >= answer.confidence
        yield f"Nothing that was confirmed is {'better' if is_sure else 'clearly better'} than the baseline."


def _say_difference(best: ConfirmedPoint, metric: str) -> Iterator[str]:
    found = best.difference.get(metric)
    if found is None:
        return
    better = (
        ""
        if found.probability_better is None
        else (f"; it is better than the baseline with probability {say_probability(found.probability_better)}")
    )
    yield f"Its difference to the baseline is {_signed(found.mean)}{_error(found.standard_error)}{better}."


def _say_front(answer: ConfirmationAnswer, able: list[ConfirmedPoint]) -> Iterator[str]:
    on = [one for one in able if one.probability_best >= answer.confidence]
    off = [one for one in able if one.probability_best <= 1 - answer.confidence]
    unsure = [one for one in able if one not in on and one not in off]
    for points, what in ((on, "on the Pareto front"), (off, "not on it"), (unsure, "not decided")):
        if points:
            named = ", ".join(f"{_inner_name(one)} ({say_probability(one.probability_best)})" for one in points)
            yield f"{named[0].upper()}{named[1:]}: {what}."
    unable = ", ".join(_inner_name(one) for one in answer.points if one not in able)
    if unable:
        yield f"{unable[0].upper()}{unable[1:]}: no finite measurements that meet every constraint."


def luckiest(answer: ConfirmationAnswer) -> ConfirmedPoint | None:
    """The point that the search thought the best, of one metric; None where none of the points is its own."""
    if len(answer.metrics) != 1:
        return None
    [(metric, direction)] = answer.metrics.items()
    own = [one for one in answer.points if one.point.study is None and metric in (one.point.found or {})]
    sign = 1.0 if direction == "minimize" else -1.0
    return min(own, key=lambda one: sign * (one.point.found or {})[metric], default=None)


def say_mean(point: ConfirmedPoint, metric: str) -> str:
    """A metric's mean with its standard error and the number of replicates."""
    return f"{metric} {say_number(point, metric)} over {count_of(point.measured, 'seed')}"


def say_number(point: ConfirmedPoint, metric: str) -> str:
    """A metric's mean with its standard error."""
    return f"{point.mean[metric]:.4g}{_error(point.standard_error[metric])}"


def _name(point: ConfirmedPoint) -> str:
    name = _inner_name(point)
    return name[:1].upper() + name[1:]


def _inner_name(point: ConfirmedPoint) -> str:
    return "the baseline" if point.point.is_baseline else point.point.name


def _error(error: float | None) -> str:
    return "" if error is None else f" ± {error:.2g}"


def _signed(number: float) -> str:
    return f"{number:+.3g}"
