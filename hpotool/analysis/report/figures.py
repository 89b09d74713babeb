"""The drawings of a report. Of very many trials some are drawn, spread evenly, and the caption says so."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hpotool.analysis.pictures.metric_view import last_reports
from hpotool.analysis.report.blocks import Figure
from hpotool.analysis.report.canvas import Axis, Canvas
from hpotool.analysis.results import complete_trials, direction_signs, metric_names
from hpotool.study.doors import visible
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from hpotool.analysis.importance import Importance

MOST_DOTS, MOST_CURVES, MOST_BARS, MOST_LANES, MOST_SLICES = 1_500, 120, 2_000, 30, 12
_OUTCOMES = {"complete": "complete", "pruned": "pruned", None: "running"}
_LANE = 22.0


def draw_history(studies: Sequence[Study], metric: str, most: int = MOST_DOTS) -> Figure | None:
    """Return the value of each trial and the best so far; of several studies, one over the other.

    Of more than ``most`` trials, some are drawn.
    """
    drawn = [(study, *_values(study, metric)) for study in studies]
    values = [value for _, trials, _ in drawn for _, value in trials]
    if not values:
        return None
    pruned = last_reports(studies[0]) if len(studies) == 1 and len(studies[0].directions) == 1 else {}
    last = max([*(number for _, trials, _ in drawn for number, _ in trials), *pruned])
    names = (
        [(study.study_name, f"s{place % 6}") for place, study in enumerate(studies)] if len(studies) > 1 else []
    )
    canvas = Canvas(
        Axis(-0.5, last + 0.5, "trial"), Axis.over(_held(values)), height=300 + 17.0 * len(names), names=names
    )
    for place, (study, trials, best) in enumerate(drawn):
        colour = f"s{place % 6}" if len(studies) > 1 else "trial"
        for number, value in thin(trials, most):
            canvas.dot(number, value, f"dot {colour}", title=f"trial {number}: {value:.6g}")
        for number, value in thin(list(pruned.items()), most):
            canvas.dot(number, value, "pruned", 2.0, title=f"trial {number}, pruned: {value:.6g}")
        canvas.line(_steps(best, last), f"best {colour}" if len(studies) > 1 else "best", title=study.study_name)
    together = ", ".join(visible(study.study_name) for study in studies) if len(studies) > 1 else "line"
    caption = f"Each complete trial's {metric}, and the best so far as a {together}" if len(studies) == 1 else (
        f"{metric} of {together}: each study's trials, and its best so far as a line"
    )  # fmt: skip
    return Figure(canvas.svg(caption), f"{caption}.{_left_out(values, most)}")


def draw_slices(study: Study, metric: str, parameters: Sequence[str]) -> list[Figure]:
    """Return the metric over each parameter, the given ones in their order; later trials are darker."""
    index = metric_names(study).index(metric)
    trials = [trial for trial in complete_trials(study) if math.isfinite(trial.values[index])]
    found = [_draw_slice(trials, index, metric, name) for name in parameters[:MOST_SLICES]]
    return [figure for figure in found if figure is not None]


def draw_curves(study: Study, metric: str) -> Figure | None:
    """Return what trials reported on their way, the best one strong; None where nothing was reported."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if len(_reports(trial)) > 1]
    if not trials:
        return None
    best = _best_number(study)
    chosen = thin(trials, MOST_CURVES)
    chosen += [trial for trial in trials if trial.number == best and trial not in chosen]
    values = [value for trial in chosen for _, value in _reports(trial)]
    steps = [float(step) for trial in chosen for step, _ in _reports(trial)]
    canvas = Canvas(Axis(min(steps), max(steps), "step"), Axis.over(_held(values)))
    for trial in sorted(chosen, key=lambda one: one.number == best):
        style = "best" if trial.number == best else "curve pruned" if trial.state.name == "PRUNED" else "curve"
        canvas.line(_reports(trial), style, title=f"trial {trial.number}")
    strong = f"; the strong line is trial {best}, the best" if best is not None else ""
    caption = f"Reports of {metric} by step, pruned trials grey{strong}"
    return Figure(canvas.svg(caption), f"{caption}.{_left_out(trials, MOST_CURVES)}")


def draw_importance(found: Importance) -> Figure:
    """Return each parameter's share as a bar, with its interval as a line and the random column as a band."""
    names = list(found.importance)[: 2 * MOST_SLICES][::-1]
    labels = ["a random column", *map(visible, names)] if found.sureness else [visible(name) for name in names]
    offset = len(labels) - len(names)
    canvas = Canvas(
        Axis(0.0, 1.0, f"share in {found.metric}"),
        Axis(-0.6, len(labels) - 0.4, labels=labels),
        height=60 + 26.0 * len(labels),
        left=170.0,
    )
    if found.sureness:
        share, low, high = found.sureness.random
        canvas.bar(0.0, share, 0, 12, "bar random", title=f"a random column: {share:.3f}")
        canvas.line([(low, 0), (high, 0)], "interval")
    for place, name in enumerate(names, start=offset):
        is_untold = found.sureness is not None and name in found.sureness.untold
        weight = found.importance[name]
        canvas.bar(0.0, weight, place, 12, "bar untold" if is_untold else "bar", title=f"{name}: {weight:.3f}")
        if found.sureness:
            low, high = found.sureness.intervals[name]
            canvas.line([(low, place), (high, place)], "interval")
    caption = f"Share of each parameter in {found.metric}"
    more = ", with 90 % intervals; pale bars cannot be told from noise" if found.sureness else ""
    return Figure(canvas.svg(caption), f"{caption}{more}.")


def draw_timeline(attempts: Mapping[int, Sequence[Mapping[str, Any]]]) -> Figure | None:
    """Return who worked when: a lane for each worker, a bar for each attempt; None where no attempt is stored."""
    bars = [(number, one) for number, own in attempts.items() for one in own if one.get("started")]
    workers = list(dict.fromkeys(one["worker"] for _, one in sorted(bars, key=lambda bar: bar[1]["started"])))
    if not bars:
        return None
    shown = workers[:MOST_LANES]
    begin = min(datetime.fromisoformat(one["started"]).timestamp() for _, one in bars)
    ends = [datetime.fromisoformat(one["started"]).timestamp() - begin + one["duration_s"] for _, one in bars]
    unit, seconds = next((u, s) for u, s in (("h", 3600), ("min", 60), ("s", 1)) if max(ends) >= 2 * s or s == 1)
    canvas = Canvas(
        Axis(0.0, max(max(ends) / seconds, 1e-9), f"{unit} since the first attempt"),
        Axis(-0.6, len(shown) - 0.4, labels=[visible(str(worker)) for worker in shown]),
        height=60 + _LANE * len(shown),
        left=170.0,
    )
    for number, one in thin([bar for bar in bars if bar[1]["worker"] in shown], MOST_BARS):
        start = (datetime.fromisoformat(one["started"]).timestamp() - begin) / seconds
        style = f"attempt {_OUTCOMES.get(one['outcome'], 'failed')}"
        said = f"trial {number}: {one['outcome'] or 'running'}, {one['duration_s']:.4g} s"
        canvas.bar(start, start + one["duration_s"] / seconds, shown.index(one["worker"]), 13, style, title=said)
    caption = "Workers and their attempts: complete ones blue, pruned grey, failed red, running green"
    more = (
        f" {count_of(len(workers) - len(shown), 'more worker is', 'more workers are')} not shown."
        if len(workers) > len(shown)
        else ""
    )
    return Figure(canvas.svg(caption), f"{caption}.{more}{_left_out(bars, MOST_BARS)}")


def thin(found: Sequence[Any], most: int) -> list[Any]:
    """Return at most so many, spread evenly, the first and the last among them."""
    if len(found) <= most:
        return list(found)
    return [found[round(place * (len(found) - 1) / (most - 1))] for place in range(most)]


def _left_out(found: Sequence[Any], most: int) -> str:
    return f" {most} of {len(found)} are drawn." if len(found) > most else ""


def _values(study: Study, metric: str) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
    """Return each complete trial's value, and each new best feasible one, both with their number."""
    index = metric_names(study).index(metric)
    sign = direction_signs(study)[index]
    values: list[tuple[int, float]] = []
    best: list[tuple[int, float]] = []
    for trial in complete_trials(study):
        value = trial.values[index]
        if not math.isfinite(value):
            continue
        values.append((trial.number, value))
        is_feasible = all(violation <= 0 for violation in trial.constraints.values())
        if is_feasible and (not best or sign * value < sign * best[-1][1]):
            best.append((trial.number, value))
    return values, best


def _steps(best: Sequence[tuple[int, float]], last: int) -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    for number, value in best:
        if points:
            points.append((number, points[-1][1]))
        points.append((number, value))
    return [*points, (last, points[-1][1])] if points else []


def _held(values: Sequence[float]) -> list[float]:
    """Return the values without those so far out that all others would be one line; they stand at the edge."""
    ordered = sorted(values)
    first, third = ordered[len(ordered) // 4], ordered[(3 * len(ordered)) // 4]
    reach = 6 * (third / 2 - first / 2)
    kept = [value for value in ordered if first - reach <= value <= third + reach]
    return kept if reach > 0 else ordered


def _draw_slice(trials: Sequence[FrozenTrial], index: int, metric: str, name: str) -> Figure | None:
    own = [trial for trial in trials if name in trial.params]
    if not own:
        return None
    axis, places = _parameter_axis(own, name)
    canvas = Canvas(axis, Axis.over(_held([trial.values[index] for trial in own])), width=360, height=240)
    for trial, place in thin(list(zip(own, places, strict=True)), MOST_DOTS // 3):
        value = trial.values[index]
        canvas.dot(place, value, "dot trial", 2.8, title=f"trial {trial.number}: {value:.6g}")
    return Figure(canvas.svg(f"{metric} over {name}"), f"{metric} over {visible(name)}")


def _parameter_axis(trials: Sequence[FrozenTrial], name: str) -> tuple[Axis, list[float]]:
    space = trials[-1].distributions[name]
    choices = getattr(space, "choices", None)
    if choices is not None:
        texts = [visible(str(choice))[:12] for choice in choices]
        places = [float(trial.distributions[name].to_internal_repr(trial.params[name])) for trial in trials]
        return Axis(-0.5, len(texts) - 0.5, visible(name), labels=texts if len(texts) <= 6 else ()), places
    values = [float(trial.params[name]) for trial in trials]
    is_log = bool(getattr(space, "log", False)) and min(values) > 0
    return Axis.over([*values, space.low, space.high], visible(name), is_log=is_log), values  # type: ignore[attr-defined]


def _reports(trial: FrozenTrial) -> list[tuple[float, float]]:
    return [(step, value) for step, value in sorted(trial.intermediate_values.items()) if math.isfinite(value)]


def _best_number(study: Study) -> int | None:
    if len(study.directions) > 1:
        return None
    _, best = _values(study, metric_names(study)[0])
    return best[-1][0] if best else None
