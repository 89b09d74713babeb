"""What a report says, in its order: of several studies first how they compare, then each by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from hpotool.analysis.compare.comparison import compare
from hpotool.analysis.compare.sides import Side, mean
from hpotool.analysis.compare.verdict import FEWEST, Measured, mean_interval
from hpotool.analysis.confirmation.origins import say_other_origins
from hpotool.analysis.edges import Edge, find_edges
from hpotool.analysis.importance import Importance
from hpotool.analysis.report import figures
from hpotool.analysis.report.blocks import Block, Code, Facts, Grid, Heading, Paragraph
from hpotool.analysis.report.confirmation import list_confirmed
from hpotool.analysis.report.facts import StudyFacts
from hpotool.analysis.report.lineage import list_lineage
from hpotool.analysis.results import TrialResult
from hpotool.errors import InputError, paste
from hpotool.study.rules.replicates import point_key
from hpotool.study.wording import count_of, format_amount
from hpotool.study.yaml.document import format_yaml

_MOST_ON_FRONT = 30


def list_blocks(studies: Sequence[StudyFacts], written: datetime) -> list[Block]:
    """Return the report's blocks; ``written`` is when."""
    names = ", ".join(study.name for study in studies)
    blocks: list[Block] = [Heading(names, 1)]
    blocks.append(Paragraph(f"Report of {written:%Y-%m-%d %H:%M} {written.tzname() or ''}".rstrip()))
    if len(studies) > 1:
        blocks += _compare(studies)
    for study in studies:
        blocks += [Heading(study.name, 2)] if len(studies) > 1 else []
        blocks += list(_tell(study))
    return blocks


def _compare(studies: Sequence[StudyFacts]) -> Iterator[Block]:
    yield Heading("The studies beside each other", 2)
    sides = [study.sides[0] for study in studies]
    columns = ("study", "best", "95 % interval", "confirmed", "trials", "failed", "worker time", "of it lost")
    replicated = _by_replicates(sides)
    shown = replicated if all(side.is_confirmed for side in replicated) else sides
    yield Grid(columns, [_side_row(one) for one in shown])
    if len({side.metric for side in sides}) > 1:
        yield Paragraph("They measure different metrics, so their values are not compared.")
        return
    try:
        found = compare(sides)
    except InputError as error:
        yield Paragraph(error.message)
        return
    for side, verdict in zip(found.sides[1:], found.verdicts, strict=True):
        yield Paragraph(f"{side.name} against {sides[0].name}: {verdict.sentence}")
    if found.unconfirmed:
        yield Paragraph(f"Not confirmed: the best of {', '.join(found.unconfirmed)}.")
    figure = figures.draw_history([study.study for study in studies], sides[0].metric)
    if figure is not None:
        yield figure
    if found.differences:
        yield Heading("What differs")
        rows = [[key, *(value or "" for value in values)] for key, values in found.differences.items()]
        yield Grid(("", *(side.name for side in sides)), rows)


def _tell(study: StudyFacts) -> Iterator[Block]:
    yield from _summary(study)
    yield from _best(study)
    yield from list_confirmed(study.status.confirmation)
    yield from _outcomes(study)
    yield from _histories(study)
    for found in study.importance:
        yield from _importance(found)
    yield from _slices(study)
    yield from _outlook(study)
    curves = figures.draw_curves(study.study, study.sides[0].metric)
    if curves is not None or study.status.early_ranks is not None:
        yield Heading("On the way")
    yield from _ranks(study)
    if curves is not None:
        yield curves
    timeline = figures.draw_timeline(study.attempts)
    if timeline is not None:
        yield from (Heading("Who worked when"), timeline)
    yield from list_lineage(study.lineage)
    yield from _settings(study)


def _summary(study: StudyFacts) -> Iterator[Block]:
    progress, pace, cost = study.status.progress, study.status.pace, study.sides[0].cost
    limit = "" if progress.budget_trials is None else f" of {progress.budget_trials}"
    pairs = [("state", progress.state)]
    for side, values in _best_measured(study):
        pairs.append((f"best {side.metric}", _number(mean(values.values)) if values else "none yet"))
    pairs.append(("finished", f"{progress.finished}{limit}"))
    pairs.append(("failed for good", str(study.status.failed_for_good)))
    pairs += [("took", _hours(pace.elapsed_s / 3600))] if pace.elapsed_s is not None else []
    pairs.append(("worker time", f"{_hours(cost.hours)}, {_hours(cost.lost_hours)} of them lost"))
    pairs += [("cost", format_amount(cost.cost))] if cost.cost else []
    yield Facts(pairs)
    if progress.reason:
        yield Paragraph(f"It is {progress.state}: {progress.reason}")
    if progress.warning:
        yield Paragraph(progress.warning, is_warning=True)
    if study.note:
        yield Code(study.note, "Note")


def _best(study: StudyFacts) -> Iterator[Block]:
    best = study.status.best
    if not best.trials:
        yield Heading("The best")
        yield Paragraph(f"There is none: {best.why_none}.")
        return
    if len(study.sides) > 1:
        yield from _front(study)
        return
    [trial], [metric] = best.trials[:1], [side.metric for side in study.sides]
    measured = _measured(study, trial)
    yield Heading(f"The best: trial {trial.number}")
    yield Paragraph(_say_sureness(metric, measured, trial.values.get(metric)))
    yield from _other_origins(study)
    if not measured.is_confirmed:
        again = paste("confirm", "--study", study.name)
        yield Paragraph(f"The best is not confirmed. To measure it again: {again}")
    yield Grid(("parameter", "value"), [[name, _written(value)] for name, value in trial.params.items()])
    yield from _edges(study, trial.number)
    yield from _ways_to_repeat(study, trial.params, trial.number)


def _other_origins(study: StudyFacts) -> Iterator[Block]:
    """What was not the same when points were confirmed."""
    found = study.status.confirmation
    if found is not None and found.origins.differs:
        yield Paragraph(say_other_origins(found.origins.differs), is_warning=True)


def _front(study: StudyFacts) -> Iterator[Block]:
    trials = study.status.best.trials
    yield Heading(f"{len(trials)} trials that no other beats in every metric")
    names = list(dict.fromkeys(name for trial in trials for name in (*trial.values, *trial.params)))
    rows = [
        [str(trial.number), *(_written({**trial.params, **trial.values}.get(name)) for name in names)]
        for trial in trials[:_MOST_ON_FRONT]
    ]
    yield Grid(("trial", *names), rows)
    if len(trials) > _MOST_ON_FRONT:
        yield Paragraph(f"The first {_MOST_ON_FRONT} are shown.")
    yield from _other_origins(study)


def _best_measured(study: StudyFacts) -> Iterator[tuple[Side, Measured | None]]:
    """Yield each metric's best: of one metric, that of the trial which the report calls the best."""
    if len(study.sides) == 1 and study.status.best.trials:
        yield study.sides[0], _measured(study, study.status.best.trials[0])
        return
    for side in _by_replicates(study.sides):
        yield side, side.measured(side.best)


def _measured(study: StudyFacts, trial: TrialResult) -> Measured:
    """Return the measurements of a trial's point: its confirmations, where there are enough, else the search's."""
    [side] = study.sides
    frozen = next(one for one in study.study.get_trials(deepcopy=False) if one.number == trial.number)
    key = point_key(frozen.params, frozen.distributions)
    replicated = side.as_confirmed()
    found = replicated.measured(key) if replicated else None
    if found is None or len(found.values) < FEWEST:
        found = side.measured(key)
    assert found is not None, "a trial that is the best is complete"
    return found


def _say_sureness(metric: str, found: Measured, seen: float | None) -> str:
    if len(found.values) == 1:
        return f"{metric} was measured once at this point: how much of it is luck is not known."
    interval = mean_interval(found.values)
    sureness = "" if interval is None else f", 95 % interval [{_number(interval[0])}, {_number(interval[1])}]"
    count = len(found.values)
    what = (
        f"{count_of(count, 'confirmation')} with fresh seeds"
        if found.is_confirmed
        else f"{count_of(count, 'trial')} of this point"
    )
    before = f" The search saw {_number(seen)} there." if found.is_confirmed and seen is not None else ""
    return f"{metric} is {_number(mean(found.values))} as the mean of {what}{sureness}.{before}"


def _edges(study: StudyFacts, number: int) -> Iterator[Block]:
    trial = next(trial for trial in study.study.get_trials(deepcopy=False) if trial.number == number)
    yield from (Paragraph(_say_edge(edge), is_warning=True) for edge in find_edges(trial))


def _say_edge(edge: Edge) -> str:
    return (
        f"{edge.name} is at the {edge.side} edge of its range [{edge.low:g}, {edge.high:g}]: "
        "there may be better ones beyond."
    )


def _ways_to_repeat(study: StudyFacts, params: Mapping[str, Any], number: int) -> Iterator[Block]:
    """The commands that give the parameters, and that run the point again."""
    lines = [paste("export", "params", "--study", study.name, "--trial", str(number), "--output", "best.yaml")]
    if study.file is not None:
        commit = study.versions.get("commit", "")
        lines += [f"git checkout {commit.removesuffix('+changes')}"] if commit else []
        again = f"{study.name}-again"
        lines.append(f"{paste('create-study', 'study.yaml', '--set', f'study={again}')}  # the study file below")
        point = [f"{name}={_written(value)}" for name, value in params.items()]
        lines.append(paste("enqueue", "--study", again, "--", *point))
        lines.append(paste("worker", "--study", again))
    yield Paragraph("The parameters for a training, and the same point run again:")
    yield Code("\n".join(lines))
    if study.versions.get("commit", "").endswith("+changes"):
        yield Paragraph("The code had changes that its commit does not hold.", is_warning=True)


def _outcomes(study: StudyFacts) -> Iterator[Block]:
    counted: dict[str, list[float]] = {}
    for own in study.attempts.values():
        for attempt in own:
            entry = counted.setdefault(attempt["outcome"] or "running", [0, 0.0])
            entry[0] += 1
            entry[1] += attempt["duration_s"] / 3600
    reasons = {failure["outcome"]: failure["reason"] for failure in study.status.activity.failures}
    rows = [
        [outcome, str(int(count)), _hours(hours), " ".join(str(reasons.get(outcome) or "").split())]
        for outcome, (count, hours) in sorted(counted.items(), key=lambda item: -item[1][1])
    ]
    if not rows:
        counts = study.status.progress.summary.trials
        rows = [[state.lower(), str(count), "", ""] for state, count in counts.items()]
    yield Heading("How attempts ended")
    yield Grid(("outcome", "attempts", "time", "latest reason"), rows) if rows else Paragraph("None has begun.")


def _histories(study: StudyFacts) -> Iterator[Block]:
    drawn = [figures.draw_history([study.study], side.metric) for side in study.sides]
    if any(drawn):
        yield Heading("History")
        yield from (figure for figure in drawn if figure is not None)


def _importance(found: Importance | str) -> Iterator[Block]:
    if isinstance(found, str):
        yield from (Heading("Importance"), Paragraph(found))
        return
    yield Heading(found.title[0].upper() + found.title[1:])
    yield figures.draw_importance(found)
    yield Grid(("parameter", "share", "90 % interval", ""), _importance_rows(found))
    if found.warning:
        yield Paragraph(found.warning, is_warning=True)
    if found.ablation_title is not None:
        yield Paragraph(f"{_capital(found.ablation_title)}; {found.metric} as a model of the trials expects it:")
        rows = [[" and ".join(one.parameters) or "at first", _number(one.expected)] for one in found.ablation]
        yield Grid(("change of", found.metric), rows)


def _importance_rows(found: Importance) -> list[list[str]]:
    if found.sureness is None:
        return [[name, f"{weight:.3f}", "", ""] for name, weight in found.importance.items()]
    rows = []
    for name, weight in found.importance.items():
        low, high = found.sureness.intervals[name]
        note = "cannot be told from noise" if name in found.sureness.untold else ""
        rows.append([name, f"{weight:.3f}", f"{low:.2f} to {high:.2f}", note])
    share, low, high = found.sureness.random
    return [*rows, ["a random column", f"{share:.3f}", f"{low:.2f} to {high:.2f}", ""]]


def _slices(study: StudyFacts) -> Iterator[Block]:
    for side, found in zip(study.sides, study.importance, strict=False):
        names = dict.fromkeys(name for trial in study.study.get_trials(deepcopy=False) for name in trial.params)
        ranked = list(found.importance) if isinstance(found, Importance) else list(names)
        drawn = figures.draw_slices(study.study, side.metric, ranked)
        if drawn:
            yield Heading(f"{side.metric} by parameter")
            yield from drawn


def _outlook(study: StudyFacts) -> Iterator[Block]:
    gain = study.status.gain
    if gain is None:
        return
    cost = study.sides[0].cost
    finished = study.status.progress.finished
    each = float(f"{cost.cost / finished:.2g}") if cost.cost and finished else 0.0
    money = f", and costs {format_amount(each)}" if each else ""
    takes = "" if gain.trial_s is None else f" A trial takes {_hours(gain.trial_s / 3600)} of worker time{money}."
    yield Heading("What further search may gain")
    yield Paragraph(f"{_capital(gain.sentence)}.{takes}")
    yield Paragraph(
        "That is how far the best trial of the search may be from the best point of its space, according to a "
        f"model of the {gain.regret.trials} finished trials."
    )


def _ranks(study: StudyFacts) -> Iterator[Block]:
    found = study.status.early_ranks
    if found is not None:
        yield Paragraph(f"{_capital(found.summary)}.", is_warning=study.status.risk is not None)


def _settings(study: StudyFacts) -> Iterator[Block]:
    if study.file is not None:
        yield Heading("The study file, with every default")
        yield Code(format_yaml(json.loads(json.dumps(study.file, default=str))), "study.yaml")
    if study.versions:
        yield Heading("Versions when it was created")
        yield Grid(("", "version"), [[name, str(value)] for name, value in study.versions.items()])


def _side_row(side: Side) -> list[str]:
    found = side.measured(side.best)
    interval = mean_interval(found.values) if found else None
    is_once = found is not None and len(found.values) == 1
    sureness = " to ".join(map(_number, interval)) if interval else "measured once" if is_once else ""
    return [
        side.name,
        f"{side.metric} {_number(mean(found.values))}" if found else "none",
        sureness,
        ("yes" if side.is_confirmed else "no") if found else "",
        str(side.cost.trials),
        str(side.cost.failures),
        _hours(side.cost.hours),
        _hours(side.cost.lost_hours),
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _by_replicates(sides: Sequence[Side]) -> list[Side]:
    """Return each side by what was confirmed, where something was."""
    return [side.as_confirmed() or side for side in sides]


def _number(value: float) -> str:
    return f"{value:.6g}"


def _hours(hours: float) -> str:
    """Return the time in the largest unit of which there is one, as it is written: never 60.0 min."""
    if round(hours * 60, 1) >= 60:
        return f"{hours:.1f} h"
    return f"{hours * 60:.1f} min" if round(hours * 3600, 1) >= 60 else f"{hours * 3600:.1f} s"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, default=str)
