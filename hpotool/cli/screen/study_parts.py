"""The parts of `status` and `watch`: draws each part of a study's state at any width."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.text import Text

from hpotool.analysis.confirmation.sentence import say_answer
from hpotool.cli.screen.spark import spark
from hpotool.cli.screen.tables import Fitted
from hpotool.errors import paste
from hpotool.storage.pools.waiting import describe_place, is_waiting
from hpotool.study.doors import visible
from hpotool.study.wording import count_of, format_elapsed, format_when, plain_cell, round_estimate

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from hpotool.analysis.status import StudyStatus

_STATE_STYLES = {"running": "cyan", "done": "green", "paused": "yellow", "draining": "yellow", "stopped": "red"}
_OUTCOME_STYLES = {"complete": "", "pruned": "dim", "preempted": "yellow", "cancelled": "yellow"}
_PRESENCE_STYLES = {"alive": "", "silent": "yellow", "gone": "red"}
_OWN_COLUMNS = ("trial", "retry of", "outcome", "took", "reason")  # of the latest attempts, beside the metrics
_SHORTEST_SPARK = 8
_DEPARTED_SHOWN = 3
_WAITING_SHOWN = 3


@dataclass(frozen=True)
class ProgressLine:
    """A progress bar over the whole width, followed by the count; without a limit, only the count."""

    finished: int
    budget: int | None
    note: str = ""
    widest: int = 10_000

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.budget is None:
            yield Text(f"{self.finished} finished{self.note}, no limit", no_wrap=True, overflow="ellipsis")
            return
        share = min(1.0, self.finished / max(1, self.budget))
        percent = min(100, 100 * self.finished // max(1, self.budget))  # 100 % is all of them
        count = f"  {self.finished}/{self.budget}{self.note}  {percent}%"
        width = max(1, min(self.widest, options.max_width) - cell_len(count))
        full = int(share * width)
        yield Text.assemble(("━" * full, "green"), ("─" * (width - full), "dim"), count, no_wrap=True)


@dataclass(frozen=True)
class BestLine:
    """The best value, its trial, and in the remaining width its history."""

    label: str
    values: Sequence[float]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = Text(visible(self.label), style="bold", no_wrap=True, overflow="ellipsis")
        room = options.max_width - cell_len(line.plain) - 2
        if room >= _SHORTEST_SPARK and len(self.values) > 1:
            line.append("  ").append(spark(self.values, room), style="not bold green")
        yield line


@dataclass(frozen=True)
class Pairs:
    """Names and values in lines of text; a pair is never split."""

    pairs: Sequence[tuple[str, str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line, used = Text(no_wrap=True, overflow="ellipsis"), 0
        for name, value in self.pairs:
            width = cell_len(name) + cell_len(value) + 1
            if used and used + 2 + width > options.max_width:
                yield line
                line, used = Text(no_wrap=True, overflow="ellipsis"), 0
            gap = "  " if used else ""
            line.append(gap).append(name, style="dim").append(f" {value}")
            used += len(gap) + width
        if used:
            yield line


def headline(found: StudyStatus) -> Text:
    """The study's name, its state, and the reason for that state."""
    progress = found.progress
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(visible(progress.summary.name), style="bold")
    line.append("  ").append(progress.state, style=_STATE_STYLES.get(progress.state, ""))
    if progress.reason:
        line.append(visible(f"  {progress.reason}"))
    return line


def progress_line(found: StudyStatus, widest: int = 10_000) -> ProgressLine:
    """The used share of the budget, in at most ``widest`` characters."""
    progress = found.progress
    other = f" (+{progress.taken_over} from another study)" if progress.taken_over else ""
    return ProgressLine(progress.finished, progress.budget_trials, other, widest)


def pace_line(found: StudyStatus, now: datetime | None = None) -> Text | None:
    """The elapsed time, the pace, and when the study will be done; None before it has started."""
    pace, parts = found.pace, []
    if pace.elapsed_s is not None:
        parts.append(f"{'took' if found.is_over else 'elapsed'} {format_elapsed(pace.elapsed_s)}")
    if pace.trial_s is not None:
        parts.append(f"{format_elapsed(pace.trial_s)} per trial")
    if pace.trials_per_hour is not None:
        parts.append(f"{_format_rate(pace.trials_per_hour)}/h")
    if pace.left_s is not None:
        when = format_when(pace.left_s, now or datetime.now(timezone.utc).astimezone())
        parts.append(f"done in about {format_elapsed(round_estimate(pace.left_s))} ({when})")
    return Text(" · ".join(parts), no_wrap=True, overflow="ellipsis") if parts else None


def counts_line(found: StudyStatus) -> Text:
    """The number of trials in each state; trials that failed for good are separate from retried ones."""
    counts, activity = found.progress.summary.trials, found.activity
    shown = [
        (counts.get("RUNNING", 0), "running", "cyan"),
        (counts.get("WAITING", 0), "waiting", ""),
        (counts.get("COMPLETE", 0), "complete", ""),
        (counts.get("PRUNED", 0), "pruned", ""),
        (found.failed_for_good, "failed", "red"),
        (activity.tried_again, "tried again", "yellow"),
        (activity.handed_back, "handed back", "dim"),
    ]
    parts = [Text(f"{count} {word}", style=style) for count, word, style in shown if count]
    return Text(" · ").join(parts) if parts else Text("no trials yet")


def place_lines(found: StudyStatus) -> Iterator[Text]:
    """What the study may use of a fleet, and why it waits for that."""
    place = found.place
    if place is None:
        return
    shares = f"pool {place.pool} · priority {place.priority} · weight {place.weight:g}" if place.pool else ""
    limit = f"at most {place.max_running} running" if place.max_running else ""
    owner = f"owner {place.owner}" if place.owner else ""
    yield Text(" · ".join(filter(None, (shares, limit, owner))), no_wrap=True, overflow="ellipsis")
    if is_waiting(place):
        yield Text(f"the study {describe_place(place)}", style="yellow")


def tier_lines(found: StudyStatus) -> Iterator[Text]:
    """The progress of each tier."""
    for number, tier in enumerate(found.tiers, start=1):
        yield Text(f"tier {number}: {tier.finished}/{tier.trials} up to step {tier.steps}, {tier.running} running")


def confirmation_lines(found: StudyStatus) -> Iterator[Text]:
    """How far it is to confirm what was asked for, or what came of it."""
    confirmed = found.confirmation
    if confirmed is None:
        return
    ended = confirmed.count("COMPLETE", "FAIL", "PRUNED")
    line = f"confirm: {ended}/{len(confirmed.replicates)} replicates of {count_of(len(confirmed.points), 'point')}"
    running = confirmed.count("RUNNING")
    yield Text(
        f"{line}, {running} running" if confirmed.is_open else line, style="cyan" if confirmed.is_open else ""
    )
    if not confirmed.is_open:
        yield Text(visible(say_answer(confirmed)), style="green" if confirmed.is_sound else "yellow")
    elif found.progress.state == "done" and not found.workers:
        name = found.progress.summary.name
        yield Text(visible(f"nobody measures them; start: {start_command(name)}"), style="bold red")


def best_parts(found: StudyStatus, *, title: bool = True) -> Iterator[Any]:
    """The best trial with its parameters and the history of the best value; with several metrics, the front."""
    trials = found.best.trials
    if not trials:
        yield Text(visible(found.best.why_none or ""), style="dim")
    elif len(found.progress.summary.metrics) == 1 and len(trials) == 1:
        [(metric, value)] = list(trials[0].values.items())[:1] or [("value", float("nan"))]
        yield BestLine(f"best {metric} {plain_cell(value)} in trial {trials[0].number}", found.best_values)
        row = found.best.as_rows()[0]
        yield Pairs([(visible(k), plain_cell(v)) for k, v in row.items() if k not in ("trial", metric)])
    else:
        rows = found.best.as_rows()
        yield Fitted(rows, f"{len(rows)} trials that no other trial beats in every metric" if title else None)


def warning_lines(found: StudyStatus) -> Iterator[Text]:
    """Problems that need attention: a warning, a study without workers, workers that are gone."""
    for warning in filter(None, (found.progress.warning, found.risk)):
        yield Text(visible(f"warning: {warning}"), style="yellow")
    yield from _waiting_lines(found)
    for one in found.different:
        yield Text(visible(f"warning: {one['worker']} differs from the study: {one['differs']}"), style="yellow")
    gone = [worker for worker in found.workers if worker["state"] == "gone"]
    yield from (Text(visible(_describe_gone(worker)), style="red") for worker in gone[:_DEPARTED_SHOWN])
    if len(gone) > _DEPARTED_SHOWN:
        yield Text(
            f"{count_of(len(gone) - _DEPARTED_SHOWN, 'more worker is', 'more workers are')} gone", style="red"
        )
    if found.is_forsaken:
        command = start_command(found.progress.summary.name)
        yield Text(visible(f"no workers; to start one: {command}"), style="bold red")
        for worker in found.activity.departed[:_DEPARTED_SHOWN]:
            ago = format_elapsed(worker["ago_s"])
            yield Text(visible(f"  {worker['id']} left {ago} ago: {worker['reason'] or 'no reason given'}"))


def start_command(study: str) -> str:
    """The command that starts a worker of the study."""
    return paste("worker", "--study", study)


def workers_table(found: StudyStatus, *, is_compact: bool = False) -> Fitted | None:
    """The study's workers and their trials; None if there are none."""
    rows = [
        {
            "worker": worker["id"],
            "slot": worker["slot"],
            "trial": worker["trial"],
            "step": worker["step"],
            "last seen": f"{format_elapsed(worker['last_beat_s'])} ago",
            "state": worker["state"],
        }
        for worker in found.workers
        if worker["state"] != "gone"
    ]
    title = None if is_compact else "workers"
    return Fitted(rows, title, style=_presence_style, is_compact=is_compact) if rows else None


def failures_table(found: StudyStatus, *, is_compact: bool = False) -> Fitted | None:
    """Each kind of failure with its count and latest reason; None if there are none."""
    rows = [
        {
            "failure": failure["outcome"],
            "times": failure["count"],
            "last in trial": failure["trial"],
            "because": one_line(failure["reason"]),
        }
        for failure in found.activity.failures
    ]
    title = None if is_compact else "failures"
    return Fitted(rows, title, style=_failure_style, is_compact=is_compact) if rows else None


def failure_region_line(found: StudyStatus) -> Text | None:
    """Where in the search space trials fail; None where that cannot be told."""
    from hpotool.analysis.insights.failures import say_region

    region = found.failure_region
    return None if region is None else Text(visible(f"trials fail where {say_region(region)}"), style="yellow")


def outlook_lines(found: StudyStatus) -> Iterator[Text]:
    """What further search may gain, and whether pruning is safe; nothing where that cannot be told."""
    if found.gain is not None:
        yield Text(visible(found.gain.outlook), style="dim")
    if found.early_ranks is not None and found.risk is None:
        yield Text(visible(found.early_ranks.summary), style="dim")


def latest_table(found: StudyStatus, count: int, *, best_first: bool = False) -> Fitted | None:
    """The attempts that ended last, with their values or reasons; None before the first."""
    attempts = found.activity.latest
    if best_first:
        attempts = tuple(sorted(attempts, key=lambda attempt: _rank(found, attempt)))
    metrics = list(found.progress.summary.metrics)
    is_retry = any(attempt["first_trial"] != attempt["trial"] for attempt in attempts[:count])
    rows = [_latest_row(found, attempt, metrics, is_retry) for attempt in attempts[:count]]
    return Fitted(rows, style=_outcome_style, is_compact=True) if rows else None


def one_line(text: str | None) -> str:
    """A reason as one line."""
    return " ".join((text or "").split())


def _latest_row(
    found: StudyStatus, attempt: Mapping[str, Any], metrics: Sequence[str], is_retry: bool
) -> dict[str, Any]:
    values = found.latest_values.get(attempt["trial"], {})
    again = {"retry of": attempt["first_trial"] if attempt["first_trial"] != attempt["trial"] else None}
    return {
        "trial": attempt["trial"],
        **(again if is_retry else {}),
        "outcome": attempt["outcome"],
        **{f"value_{name}" if name in _OWN_COLUMNS else name: values.get(name) for name in metrics},
        "took": format_elapsed(attempt["duration_s"]),
        "reason": one_line(attempt["reason"]) or _say_point(attempt),
    }


def _say_point(attempt: Mapping[str, Any]) -> str:
    return f"confirms {visible(attempt['confirms'])}" if "confirms" in attempt else ""


def _rank(found: StudyStatus, attempt: Mapping[str, Any]) -> tuple[bool, float]:
    [(metric, direction), *_] = found.progress.summary.metrics.items()
    value = found.latest_values.get(attempt["trial"], {}).get(metric)
    if attempt["outcome"] != "complete" or value is None:
        return True, 0.0
    return False, -value if direction == "maximize" else value


def _waiting_lines(found: StudyStatus) -> Iterator[Text]:
    """The workers that start no trial although there may be one, each with its reason."""
    if found.progress.state != "running":
        return
    here = [worker for worker in found.workers if worker["state"] != "gone"]
    waiting = [worker for worker in here if worker.get("waits") and worker["trial"] is None]
    if waiting and len(waiting) == len(here):
        yield Text("no worker can start a trial", style="bold red")
    for worker in waiting[:_WAITING_SHOWN]:
        yield Text(visible(f"{worker['id']} waits: {one_line(worker['waits'])}"), style="yellow")
    if len(waiting) > _WAITING_SHOWN:
        yield Text(
            count_of(len(waiting) - _WAITING_SHOWN, "more worker waits", "more workers wait"), style="yellow"
        )


def _describe_gone(worker: Mapping[str, Any]) -> str:
    trial = "" if worker["trial"] is None else f", with trial {worker['trial']}"
    return f"{worker['id']} is gone: not heard of for {format_elapsed(worker['last_beat_s'])}{trial}"


def _format_rate(per_hour: float) -> str:
    return f"{per_hour:,.0f}" if per_hour >= 10 else f"{per_hour:.2g}"


def _outcome_style(row: Mapping[str, Any]) -> str:
    return _OUTCOME_STYLES.get(row["outcome"], "red")


def _failure_style(row: Mapping[str, Any]) -> str:
    return _OUTCOME_STYLES.get(row["failure"], "red")


def _presence_style(row: Mapping[str, Any]) -> str:
    return _PRESENCE_STYLES.get(row["state"], "")
