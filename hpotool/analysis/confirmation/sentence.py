"""The answer of a confirmation in one sentence or two, for people who decide by it."""

from __future__ import annotations

from collections.abc import Iterator

from hpotool.analysis.confirmation.answer import ConfirmationAnswer, ConfirmedPoint

_AGREED = 0.9  # probability from which on two points are told apart in a sentence


def say_answer(answer: ConfirmationAnswer) -> str:
    """What was found, as far as it is known; never empty."""
    if answer.is_open:
        asked = len(answer.replicates)
        return f"{answer.count('COMPLETE', 'FAIL', 'PRUNED')} of {asked} replicates have ended; no verdict yet."
    able = [point for point in answer.points if point.mean and point.is_feasible]
    if not able:
        return "Nothing was confirmed: no point has a measurement that meets every constraint."
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
    if answer.is_decided:
        yield f"{_name(best)} is the best with probability {probability}: {say_mean(best, metric)}."
    elif len(able) > 1:
        rivals = [one for one in able[1:] if one.probability_best > (1 - answer.confidence) / len(able)] or able[
            1:2
        ]
        others = ", ".join(f"{one.point.name} {say_probability(one.probability_best)}" for one in rivals)
        yield (
            f"It is not decided: {best.point.name} is the best with probability {probability} "
            f"({say_mean(best, metric)}), others: {others}."
        )
    yield from _say_luck(answer, able, metric)
    yield from _say_baseline(able, metric)


def _say_luck(answer: ConfirmationAnswer, able: list[ConfirmedPoint], metric: str) -> Iterator[str]:
    """The best of the search, where it is not the best."""
    lucky = luckiest(answer)
    if lucky is None or lucky is able[0] or not lucky.mean:
        return
    seen = (lucky.point.found or {})[metric]
    is_sure = able[0].probability_best >= answer.confidence or lucky.probability_best <= 1 - _AGREED
    verdict = "it is not the best" if is_sure else "it may not be the best"
    yield (
        f"{_name(lucky)} was the best of the search with {metric} {seen:.4g}; measured again it has "
        f"{say_number(lucky, metric)}: {verdict}."
    )


def _say_baseline(able: list[ConfirmedPoint], metric: str) -> Iterator[str]:
    best = able[0]
    if best.point.is_baseline:
        yield "Nothing that was confirmed is better than the baseline."
        return
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
            named = ", ".join(f"{one.point.name} ({say_probability(one.probability_best)})" for one in points)
            yield f"{named}: {what}."


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
    return f"{metric} {say_number(point, metric)} over {point.measured} seeds"


def say_number(point: ConfirmedPoint, metric: str) -> str:
    """A metric's mean with its standard error."""
    return f"{point.mean[metric]:.4g}{_error(point.standard_error[metric])}"


def say_probability(probability: float) -> str:
    """A probability in two digits; never a certainty that a finite number of draws cannot give."""
    if probability > 0.995:
        return "above 0.99"
    return "below 0.01" if probability < 0.005 else f"{probability:.2f}"


def _name(point: ConfirmedPoint) -> str:
    name = point.point.name
    return "The baseline" if point.point.is_baseline else name[:1].upper() + name[1:]


def _error(error: float | None) -> str:
    return "" if error is None else f" ± {error:.2g}"


def _signed(number: float) -> str:
    return f"{number:+.3g}"
