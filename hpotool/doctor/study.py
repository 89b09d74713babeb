"""One study: whether it goes on, with which workers, and what has gone wrong in it."""

from __future__ import annotations

import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hpotool import __version__
from hpotool.doctor.finding import Finding, Ward, broken, ok, warning
from hpotool.errors import paste
from hpotool.settings import Pulse
from hpotool.storage.control.health import StudyHealth
from hpotool.storage.control.launches import Launch
from hpotool.storage.control.versions import code_files, version_differences
from hpotool.study.outcome import Outcome
from hpotool.study.rules.retry import GiveUp, decide_retry
from hpotool.study.spec import StudySpec
from hpotool.study.wording import count_of
from hpotool.tracking.reach import try_trackers

_ENOUGH = 10  # attempts, before their outcomes say anything
_MOST_FAILED = 0.5
_ON_ONE_HOST = 5
_LEAST_FREE = 2 << 30


@dataclass(frozen=True)
class Study:
    """What the checks look at. ``state`` is the study's, ``stored`` and ``running`` the versions there and here.

    ``checkpoints`` is the folder or URL that workers are to share, where the reader has named one.
    """

    name: str
    state: str
    reason: str
    spec: StudySpec
    stored: Mapping[str, str]
    running: Mapping[str, str]
    health: StudyHealth
    launches: Sequence[Launch]
    pulse: Pulse
    checkpoints: str | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


def state(study: Study) -> Finding:
    """Workers would find something to do."""
    because = f": {study.reason}" if study.reason else ""
    if study.state in ("paused", "stopped", "draining"):
        return warning(f"the study is {study.state}{because}", paste("resume", "--study", study.name))
    if study.state == "done":
        return warning(f"the study is done{because}", paste("budget", "--study", study.name))
    return ok(study.state)


def code(study: Study) -> Finding:
    """This machine has the code and versions that the study was made with."""
    found = version_differences(study.stored, study.running)
    if found:
        verdict = broken if study.spec.strict else warning
        return verdict("; ".join(found), "bring this machine to the same state, or run create-study again")
    return ok()


def objective(study: Study) -> Finding:
    """The objective is on this machine."""
    told = study.spec.objective
    if told.python is not None and not code_files(told):
        return broken(
            f"there is no module {told.python.partition(':')[0]} here", "run it in the folder of your code"
        )
    if told.command is not None:
        command = told.command[0]
        if (
            "$" not in command
            and "{" not in command
            and not shutil.which(command, path=study.environment.get("PATH"))
        ):
            return broken(f"there is no program {command} here", "install it, or put it on PATH")
    return ok()


def variables(study: Study) -> Finding:
    """The environment variables that the study file asks for are set."""
    told = study.spec.objective
    texts = [*(told.command or ()), *told.environment.values()]
    wanted = {name for text in texts for name in _names_in(text)}
    missing = sorted(name for name in wanted if name not in study.environment)
    if missing:
        return broken(f"not set here: {', '.join(missing)}", f"export {missing[0]}=…")
    return ok()


def limits(study: Study) -> Finding:
    """A trial that hangs ends."""
    told = study.spec.objective
    if told.timeout is None and told.stall is None:
        return warning(
            "neither timeout nor stall is set: a trial that hangs holds its worker for ever",
            "add objective.stall (nothing reported for so long) or objective.timeout to the study file",
        )
    return ok()


def budget(study: Study) -> Finding:
    """The study ends by itself."""
    told = study.spec.budget
    ends = (told.trials, told.wall, told.gpu_hours, told.cost, told.patience, told.regret, told.target or None)
    if not any(end is not None for end in ends):
        return warning(
            "the study has no budget: workers run until they are stopped", "add budget to the study file"
        )
    return ok()


def nobody(study: Study) -> Finding:
    """Somebody works on it, if it has begun and is not over."""
    alive = [
        each for each in study.health.workers if float(each["silent_s"]) <= 2 * study.pulse.grace.total_seconds()
    ]
    if study.health.pool_workers:
        return ok(f"{count_of(study.health.pool_workers, 'worker')} of its pool")
    if study.state == "running" and not alive and (study.health.recent or study.health.workers):
        return warning("the study is running and nobody works on it", paste("worker", "--study", study.name))
    return ok(count_of(len(alive), "worker"))


def silent(study: Study) -> Finding:
    """Every worker that has not said goodbye beats."""
    quiet = [
        each for each in study.health.workers if float(each["silent_s"]) > 2 * study.pulse.interval.total_seconds()
    ]
    if quiet:
        names = ", ".join(str(each["worker"]) for each in quiet[:3])
        count = count_of(len(quiet), "worker is", "workers are")
        return warning(f"{count} silent: {names}", paste("workers", "--study", study.name))
    return ok()


def worker_versions(study: Study) -> Finding:
    """All workers are of this hpotool."""
    others = sorted({str(each["version"]) for each in study.health.workers} - {__version__})
    if others:
        return warning(
            f"workers of hpotool {', '.join(others)} are there, and this is {__version__}",
            "install one version everywhere, and start those workers again",
        )
    return ok()


def shared_devices(study: Study) -> Finding:
    """No two workers are on one GPU."""
    if study.health.neighbours and study.spec.gpu_memory is None:
        first = study.health.neighbours[0]
        return warning(
            f"{first['count']} workers share {first['slot']} of {first['host']}",
            "give each worker a GPU of its own (--gpu), or add gpu_memory to the study file",
        )
    return ok()


def lost(study: Study) -> Finding:
    """No trial runs on a worker that is gone."""
    if study.health.lost:
        shown = ", ".join(map(str, study.health.lost[:5]))
        return warning(f"trials run on workers that are gone: {shown}", paste("reap", "--study", study.name))
    return ok()


def foreign(study: Study) -> Finding:
    """Every running trial has a heartbeat."""
    if study.health.foreign:
        shown = ", ".join(map(str, study.health.foreign[:5]))
        return warning(
            f"trials run without a heartbeat: {shown}; nobody notices when their worker dies",
            "they are plain Optuna's: give its storage a heartbeat_interval, or end them in the dashboard",
        )
    return ok()


def unfollowed(study: Study) -> Finding:
    """Every failure that is to be tried again is queued."""
    forgotten = [each for each in study.health.unfollowed if _is_to_be_tried(study, each)]
    if forgotten:
        number = str(forgotten[0]["number"])
        shown = ", ".join(str(each["number"]) for each in forgotten[:5])
        return warning(
            f"failed trials should have been tried again and were not queued: {shown}",
            paste("retry", number, "--study", study.name),
        )
    return ok()


def failures(study: Study) -> Finding:
    """Most attempts finish."""
    outcomes = Counter(str(each["outcome"]) for each in study.health.recent)
    failed = Counter(
        {name: count for name, count in outcomes.items() if name not in ("complete", "pruned", "preempted")}
    )
    if outcomes.total() >= _ENOUGH and failed.total() > _MOST_FAILED * outcomes.total():
        name, _ = failed.most_common(1)[0]
        reason = next(str(each["reason"]) for each in study.health.recent if each["outcome"] == name)
        return warning(
            f"{failed.total()} of the last {outcomes.total()} attempts failed, most of them with {name}: {reason}",
            paste("status", "--study", study.name),
        )
    return ok()


def failing_host(study: Study) -> Finding:
    """No host fails what others finish."""
    by_host: dict[str, list[bool]] = defaultdict(list)
    for each in study.health.recent:
        by_host[str(each["host"])].append(each["outcome"] in ("complete", "pruned"))
    bad = [host for host, ends in by_host.items() if len(ends) >= _ON_ONE_HOST and not any(ends)]
    if bad and len(bad) < len(by_host) and any(any(ends) for host, ends in by_host.items() if host not in bad):
        return warning(
            f"everything fails on {bad[0]}, and elsewhere it does not",
            f"run hpotool doctor there; {paste('workers', '--study', study.name, '--stop', '--worker', 'ID')}",
        )
    return ok()


def quarantined(study: Study) -> Finding:
    """Every host and GPU takes trials."""
    if study.health.quarantined:
        shown = ", ".join(study.health.quarantined[:5])
        return warning(
            f"in quarantine, because they failed what succeeded elsewhere or somebody added them: {shown}",
            f"{paste('quarantine', '--study', study.name)} says why; mend it, then add --lift PLACE",
        )
    return ok()


def pruner(study: Study) -> Finding:
    """The pruner fits what the objective reports."""
    if study.health.mismatch:
        return warning(study.health.mismatch.strip('"'), "change the pruner's steps in the study file")
    return ok()


def missing_workers(study: Study) -> Finding:
    """Each launch has the workers that were asked for."""
    if study.state not in ("running", "paused"):
        return ok()
    here = Counter(str(each["launch"]) for each in study.health.workers)
    for launch in study.launches:
        if not launch.is_stopped and here[launch.launch_id] < launch.wanted:
            return warning(
                f"{launch.launch_id} has {here[launch.launch_id]} of {count_of(launch.wanted, 'worker')}",
                paste("workers", "--study", study.name),
            )
    return ok()


def left_jobs(study: Study) -> Finding:
    """Nothing of a study that is over waits in a queue."""
    open_launches = [launch.launch_id for launch in study.launches if not launch.is_stopped]
    if study.state in ("done", "stopped") and open_launches:
        return warning(
            f"the study is {study.state}, and {open_launches[0]} may have jobs in a queue",
            paste("workers", "--study", study.name, "--stop"),
        )
    return ok()


def checkpoint_folder(study: Study) -> Finding:
    """Checkpoints can be written, with room, and lie where other machines see them."""
    place = study.checkpoints
    hosts = {str(each["host"]) for each in study.health.workers}
    if place is None or "://" in place:
        return ok(place or "not named: --checkpoints")
    folder = Path(place)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return broken(f"the checkpoint folder {folder} cannot be written here", f"mkdir -p {folder}, or mount it")
    if shutil.disk_usage(folder).free < _LEAST_FREE:
        return warning(f"less than {_LEAST_FREE >> 30} GiB are free in {folder}", "hpotool clean --dry-run")
    if len(hosts) > 1 and folder.resolve().is_relative_to("/tmp"):
        return broken(
            f"{folder} is each machine's own, and {len(hosts)} machines work", "name a folder that all share"
        )
    return ok(place)


def trackers(study: Study) -> Finding:
    """The trackers that the study is exported to answer."""
    found = [each for each in try_trackers(study.spec.tracking) if each.trouble]
    if found:
        return warning("; ".join(each.sentence for each in found), found[0].hint)
    return ok()


STUDY: Ward[Study] = Ward(
    "study",
    {
        "state": state,
        "code": code,
        "objective": objective,
        "variables": variables,
        "limits of a trial": limits,
        "budget": budget,
        "workers": nobody,
        "silent workers": silent,
        "versions of workers": worker_versions,
        "shared GPUs": shared_devices,
        "lost trials": lost,
        "trials without heartbeat": foreign,
        "retries": unfollowed,
        "failures": failures,
        "failing host": failing_host,
        "quarantine": quarantined,
        "pruner": pruner,
        "missing workers": missing_workers,
        "left jobs": left_jobs,
        "checkpoints": checkpoint_folder,
        "trackers": trackers,
    },
)


def _is_to_be_tried(study: Study, failed: Mapping[str, object]) -> bool:
    outcome = Outcome(str(failed["outcome"]))
    history = [Outcome(each) for each in failed["history"]]  # type: ignore[attr-defined]
    return not outcome.is_finished and not isinstance(decide_retry(outcome, history, study.spec.retry), GiveUp)


def _names_in(text: str) -> list[str]:
    """The variables that a text takes from a worker's environment: ``${NAME}``."""
    return [part.partition("}")[0] for part in text.split("${")[1:]]
