"""A trial's page: what `hpotool show` and `hpotool logs` say of it, and what people may do with it."""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpotool.analysis.finals.finals import list_finals
from hpotool.analysis.insights.attempt_log import LogTail, find_log, read_log_tail
from hpotool.analysis.report.blocks import Figure
from hpotool.analysis.report.canvas import Axis, Canvas
from hpotool.analysis.report.figures import thin
from hpotool.analysis.trials import describe_trial
from hpotool.checkpoints import checkpoint_step, checkpoints_in
from hpotool.errors import paste
from hpotool.settings import home_folder, study_folder_name
from hpotool.storage.control.keeping import read_note
from hpotool.storage.control.studies import list_attempts
from hpotool.study.wording import count_of
from hpotool.web.source import Source
from hpotool.web.views.study import last_events

if TYPE_CHECKING:
    from optuna import Study

_MOST_STEPS = 600
_REPORTS_SHOWN = 20
# Attributes that the page shows in another place.
_SAID_ELSEWHERE = ("failed_trial", "retry_history", "hpotool:failed", "hpotool:artifacts")


@dataclass(frozen=True)
class Log:
    """The output of a trial's latest attempt, or where that is."""

    text: str | None
    where: str
    command: str


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on this machine."""

    name: str
    step: int
    size: int
    changed: datetime


def show_trial(source: Source, study_id: int, number: int) -> dict[str, Any]:
    """Return what a trial's page shows.

    Raises:
        NotFoundError: there is no such study or trial.
    """
    study = source.study(study_id, with_reevaluations=True)
    attempts = list_attempts(source.connection, study.study_name, number).get(number, [])
    data = describe_trial(study, number, {number: attempts}).as_data()
    root = data["lineage"][0] if data["lineage"] else number
    folder = home_folder() / "checkpoints" / study_folder_name(study.study_name) / f"trial-{root:05d}"
    return {
        "study_id": study_id,
        "name": study.study_name,
        "trial": data,
        "number": number,
        "figures": [figure for figure in [draw_steps(study, number, data["reports"])] if figure],
        "reports": list(data["reports"].items())[-_REPORTS_SHOWN:],
        "log": show_log(study.study_name, number, attempts),
        "checkpoints": list(list_checkpoints(folder)),
        "checkpoint_folder": str(folder),
        "final": next((one for one in list_finals(study) if one.number == number and one.place), None),
        "family": _find_family(study, number),
        "attributes": _shown_attributes(data),
        "note": read_note(source.connection, study_id, number),
        "events": last_events(source, study_id, number),
        "orders": list_moves(data["state"]),
    }


def list_moves(state: str) -> list[str]:
    """Return the orders that make sense in a trial's state."""
    return {"RUNNING": ["stop"], "WAITING": ["stop"], "FAIL": ["retry"]}.get(state, [])


def show_log(study: str, number: int, attempts: Sequence[Mapping[str, Any]]) -> Log:
    """Return the end of the output: from the log if it is on this machine, else what is stored of it."""
    command = paste("logs", "--study", study, "--follow", str(number))
    path = find_log(study, number)
    tail = None if path is None else read_log_tail(path)
    if tail is not None:
        return Log(tail.text, _say_place(tail), command)
    if not attempts:
        return Log(None, "There is no attempt yet, so there is no output.", command)
    last = attempts[-1]
    here = last["host"] == socket.gethostname()
    if last["outcome"] is None:
        place = f"not below {home_folder()} on this machine" if here else f"on {last['host']}, where it runs"
        return Log(None, f"The output is {place}, until the attempt ends. Run this there:", command)
    gone = (
        f"the log is not, or no longer, below {home_folder()}" if here else f"the whole log is on {last['host']}"
    )
    return Log(last["output_tail"] or "", f"These are the last lines; {gone}.", command)


def _say_place(tail: LogTail) -> str:
    part = "" if tail.is_whole else f"The last {len(tail.text.encode()) >> 10} KiB of {tail.size >> 10} KiB; "
    return f"{part}{'the' if part else 'The'} log is {tail.path} on {socket.gethostname()}."


def list_checkpoints(folder: Path) -> Iterator[Checkpoint]:
    """Yield the whole checkpoints in a folder, the latest step first."""
    for path in reversed(checkpoints_in(folder)):
        try:
            size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            changed = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
        except OSError:  # its trial has just removed it
            continue
        yield Checkpoint(path.name, checkpoint_step(path), size, changed)


def draw_steps(study: Study, number: int, reports: Mapping[str, Any]) -> Figure | None:
    """Return what the trial reported by step; ``None`` below two reports."""
    points = [(int(step), float(value)) for step, value in reports.items()]
    finite = [(step, value) for step, value in points if math.isfinite(value)]
    if len(finite) < 2:
        return None
    shown = thin(finite, _MOST_STEPS)
    values = [value for _, value in shown]
    canvas = Canvas(Axis(shown[0][0], shown[-1][0], "step"), Axis.over(values), height=260)
    canvas.line(shown, "best", title=f"trial {number}")
    for step, value in thin(shown, _MOST_STEPS // 6):
        canvas.dot(step, value, "dot trial", 2.4, title=f"step {step}: {value:.6g}")
    name = "the metric" if len(study.directions) > 1 else (study.metric_names or ["the metric"])[0]
    left_out = len(points) - len(finite)
    more = f" {count_of(left_out, 'report is', 'reports are')} not finite." if left_out else ""
    caption = f"Reports of {name} by step"
    return Figure(canvas.svg(caption), f"{caption}.{more}")


def _find_family(study: Study, number: int) -> dict[str, list[int]]:
    """Return the trials that try this one again, and those that continue from its checkpoint."""
    from hpotool.study.branch import Branch

    trials = study.get_trials(deepcopy=False)
    branches = [(trial.number, Branch.of(trial.system_attrs)) for trial in trials]
    return {
        "retried as": [t.number for t in trials if number in t.system_attrs.get("retry_history", ())],
        "continued by": [one for one, branch in branches if branch is not None and branch.source == number],
    }


def _shown_attributes(data: Mapping[str, Any]) -> dict[str, Any]:
    system = {key: value for key, value in data["system_attributes"].items() if key not in _SAID_ELSEWHERE}
    return {**data["user_attributes"], **system}
