"""Notices what people want to be told about a study, from the database alone.

Each look asks how the study stands, not what changed: so nothing is missed while nobody looks. What was noticed is
entered under a key, once, whoever looks and how often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from hpotool.errors import paste
from hpotool.storage.control.confirmations import Confirmation, read_confirmation
from hpotool.storage.fleet.attempts import Run
from hpotool.storage.tracking.exported import ExportedStudy
from hpotool.storage.tracking.jobs import Job
from hpotool.storage.tracking.notices import Activity, read_activity, read_best, tell, tell_events
from hpotool.study.confirmation.rounds import by_point, judge, next_round
from hpotool.study.doors import one_line
from hpotool.study.occasion import OCCASIONS, Occasion
from hpotool.study.spec import NotifySpec
from hpotool.study.wording import count_of, say_probability

_LAST, _TOO_MANY = 10, 5  # attempts that are looked at, and how many failures of them are told
_SHOWN_POINTS = 3
_FAILURES_EVERY = timedelta(hours=1)
_GOOD = ("complete", "pruned")

Best = Callable[[], "tuple[int, float] | None"]


@dataclass(frozen=True)
class Noticed:
    """Something to tell: ``key`` says which of its kind it is; not within so long of the last one."""

    key: str
    body: str
    not_within: timedelta = timedelta()


@dataclass(frozen=True)
class Facts:
    """What a look found out. ``is_leaving``: this is the last look of whoever looks."""

    study: ExportedStudy
    activity: Activity
    grace: timedelta
    best: tuple[int, float] | None
    best_every: timedelta
    is_leaving: bool = False
    confirmation: Confirmation | None = None


def look(run: Run, job: Job, study: ExportedStudy, grace: timedelta, *, is_leaving: bool = False) -> None:
    """Enter a notice for whatever there is to tell, and was not told."""
    wanted = study.spec.notify if study.spec else NotifySpec()
    facts = Facts(
        study,
        read_activity(run, job, grace, _LAST),
        grace,
        _read_best(run, job, study),
        wanted.best_every,
        is_leaving,
        read_confirmation(run, job.study_id) if "confirmed" in wanted.events else None,
    )
    for occasion in (OCCASIONS[name] for name in wanted.events):
        title = occasion.title.format(study=study.name)
        if occasion.event is not None:
            tell_events(run, job, occasion.name, title, **vars(occasion.event))
        for noticed in notice(occasion, facts):
            tell(run, job, occasion.name, noticed.key, title, noticed.body, noticed.not_within)


def notice(occasion: Occasion, facts: Facts) -> Iterator[Noticed]:
    """What there is to tell of one occasion that is no event of the log."""
    found = _NOTICED[occasion.name](facts) if occasion.name in _NOTICED else None
    if found is not None:
        yield found


def _done(facts: Facts) -> Noticed | None:
    study = facts.study
    if study.state != "done" or study.running:
        return None
    # A larger budget is another end. Limits other than trials are kept with the study, as a state with its moment.
    limit = (
        f"{study.budget_trials} trials"
        if study.reason.endswith("trials are finished")
        else f"{study.changed_s:.3f}"
    )
    return Noticed(limit, "\n".join([study.reason, *_say_best(facts), paste("best", "--study", study.name)]))


def _idle(facts: Facts) -> Noticed | None:
    study, activity = facts.study, facts.activity
    if study.state != "running" or activity.working or activity.last_heard_s is None or activity.silent_s is None:
        return None
    if activity.silent_s < facts.grace.total_seconds() and not facts.is_leaving:
        return None
    why = f"left: {one_line(activity.last_reason)}" if activity.last_reason else "fell silent"
    of = "" if study.budget_trials is None else f" of {study.budget_trials}"
    lines = [
        f"the last worker {why}",
        f"{study.finished}{of} trials are finished"
        if of
        else f"{count_of(study.finished, 'trial is', 'trials are')} finished",
        paste("worker", "--study", study.name),
    ]
    return Noticed(f"{activity.last_heard_s:.3f}", "\n".join(lines))


def _failures(facts: Facts) -> Noticed | None:
    failed = [ending for ending in facts.activity.endings if ending[1] not in _GOOD]
    if len(failed) < _TOO_MANY:
        return None
    number, outcome, reason = failed[0]
    lines = [
        f"{len(failed)} of the last {len(facts.activity.endings)} attempts failed",
        f"the last one was trial {number}, {outcome}: {one_line(reason)}",
        paste("trials", "--study", facts.study.name, "--failed"),
    ]
    return Noticed(str(number), "\n".join(lines), _FAILURES_EVERY)


def _best(facts: Facts) -> Noticed | None:
    begun_s = facts.activity.begun_s
    if facts.best is None or begun_s is None or begun_s < facts.best_every.total_seconds():
        return None  # the first trials of a study are each the best so far
    number = facts.best[0]
    lines = [*_say_best(facts), paste("show", "--study", facts.study.name, str(number))]
    return Noticed(str(number), "\n".join(lines), facts.best_every)


def _confirmed(facts: Facts) -> Noticed | None:
    """Told once for each time that there is an answer: further replicates make another one."""
    found = facts.confirmation
    signs = [-1.0 if direction == "maximize" else 1.0 for direction in facts.study.metrics.values()]
    if found is None or found.is_open or next_round(found.order, found.replicates, signs):
        return None
    seeds = {name: len(measured) for name, measured in by_point(found.order, found.replicates).items()}
    if not any(seeds.values()):
        return None
    judged = judge(found.order, found.replicates, signs)
    ranked = sorted(zip(judged.best, judged.names, strict=True), key=lambda each: -each[0])[:_SHOWN_POINTS]
    lines = [
        f"{name} is best with probability {say_probability(best)} ({count_of(seeds[name], 'seed')})"
        for best, name in ranked
    ]
    last = max(one.number for one in found.replicates)
    nothing = "no point was measured well enough, or meets every constraint"
    return Noticed(str(last), "\n".join([*(lines or [nothing]), paste("best", "--study", facts.study.name)]))


_NOTICED: dict[str, Callable[[Facts], Noticed | None]] = {
    "done": _done,
    "idle": _idle,
    "failures": _failures,
    "best": _best,
    "confirmed": _confirmed,
}


def _read_best(run: Run, job: Job, study: ExportedStudy) -> tuple[int, float] | None:
    """The best trial, where there is one order of trials."""
    if len(study.metrics) != 1 or (study.spec is not None and study.spec.has_replicates):
        return None
    [direction] = study.metrics.values()
    return read_best(run, job.study_id, maximize=direction == "maximize")


def _say_best(facts: Facts) -> list[str]:
    if facts.best is None:
        return []
    number, value = facts.best
    [metric] = facts.study.metrics
    return [f"the best is trial {number}: {metric} {value:.6g}"]
