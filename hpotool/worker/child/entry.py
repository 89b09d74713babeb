"""The entry point of the child process: calls the objective. It has neither a database connection nor a password.

The child leads its own session, is killed when its parent dies, writes its output to the attempt's log, and
reports its end in one last message: {"end": outcome, "reason": …, "values": …}. SIGTERM, SIGUSR1 and SIGUSR2 do
not end it, but ask the objective to stop (``trial.should_stop()``).
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import os
import random
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import IO, Any, NoReturn

from optuna.exceptions import TrialPruned

from hpotool.errors import InputError
from hpotool.study.doors import describe_error, one_line, text_of
from hpotool.study.outcome import Outcome
from hpotool.worker.child.attempt_link import ChannelLink, StopRequest
from hpotool.worker.child.command.objective import CommandObjective
from hpotool.worker.child.exit import disown_exit_handlers, run_exit_handlers
from hpotool.worker.child.objective_trial import ObjectiveTrial
from hpotool.worker.child.return_value import read_returned
from hpotool.worker.process.channel import Channel
from hpotool.worker.process.memory_errors import out_of_memory_reason
from hpotool.worker.process.protocol import AttemptEnded, Job

_LONGEST_REFUSAL = 300  # characters of the message about each returned entry that is not kept
_DEFAULT_SIGNALS = (signal.SIGHUP, signal.SIGCHLD)


def run_attempt(
    job: Job, load: Callable[[], Callable[..., Any]], channel: Channel, log_fd: int, open_files: Iterable[IO[Any]]
) -> NoReturn:
    """Run the attempt: call the objective, report its end, and exit this process. Does not return."""
    try:
        stopping = _become_an_attempt(job, log_fd)
        this = os.getpid()
        link = ChannelLink(channel, job.address)
        end = call_objective(job, load, ObjectiveTrial(job, link, stopping), stopping)
        told = True
        if os.getpid() == this:  # not in a process that the objective forked and that also returns here
            _keep_returned(job, end)
            told = _tell_end(link, end)
        run_exit_handlers(open_files)
    except BaseException as error:  # noqa: BLE001 (a forked child must never go on into its parent's code)
        _print_traceback(error)
        os._exit(1)
    os._exit(0 if told else 1)


def call_objective(
    job: Job, load: Callable[[], Callable[..., Any]], trial: ObjectiveTrial, is_stopping: Callable[[], bool]
) -> dict[str, Any]:
    """Call the objective and return the attempt's last message."""
    try:
        _seed_everything(job.seed)
        objective = load() if job.objective.command is None else CommandObjective(job)
        return _end_with_values(objective(trial), job, trial, is_stopping())
    except AttemptEnded as ended:
        if ended.values is None:
            return _end(ended.outcome, ended.reason)
        end = _end_with_values(ended.values, job, trial, stopping=False)
        return {**end, "reason": end["reason"] or ended.reason}
    except TrialPruned as pruned:
        return _end(Outcome.PRUNED, text_of(pruned) or trial.describe_prune())
    except InputError as error:
        return _end(Outcome.ERROR, error.message)
    except SystemExit as leaving:
        code = text_of(leaving.code, repr, "something that cannot be shown")
        return _end(Outcome.ERROR, f"the objective called sys.exit({code})")
    except BaseException as error:  # noqa: BLE001 (the child's entry point)
        _print_traceback(error)
        if is_stopping():
            return _end(Outcome.PREEMPTED, "it stopped when it was asked to")
        if reason := out_of_memory_reason(error, text_of):
            return _end(Outcome.OOM, reason)
        return _end(Outcome.ERROR, describe_error(error))


def _end_with_values(returned: Any, job: Job, trial: ObjectiveTrial, stopping: bool) -> dict[str, Any]:
    read = read_returned(returned, job.study.metric_names)
    if read.problem is not None:
        if stopping and returned is None:
            return _end(Outcome.PREEMPTED, "it stopped when it was asked to")
        return _end(Outcome.ERROR, read.problem)
    assert read.values is not None
    extra, refused = _accept_extra(read.extra, trial)
    if read.nan:
        for name, value in extra.items():
            trial.set_user_attr(name, value)
        named = dict(zip(job.study.metric_names, read.values, strict=True))
        reason = "the objective returned nan: " + ", ".join(f"{k}={v}" for k, v in named.items())
        return _end(Outcome.NAN, "; ".join([reason, *refused]))
    return {**_end(Outcome.COMPLETE, "; ".join(refused) or None), "values": read.values, "extra": extra}


def _accept_extra(extra: Iterable[tuple[Any, Any]], trial: ObjectiveTrial) -> tuple[dict[str, Any], list[str]]:
    """A returned mapping's entries besides the metrics, and why some are dropped; the values count anyway."""
    accepted: dict[str, Any] = {}
    refused: list[str] = []
    for key, value in extra:
        try:
            name, plain = trial.accept_attribute(key, value)
            accepted[name] = plain
        except Exception as error:  # noqa: BLE001 (the child's entry point: it runs the value's own methods)
            refused.append(f"not stored: {one_line(text_of(error), _LONGEST_REFUSAL)}")
    for sentence in refused:
        with contextlib.suppress(OSError):  # to the log, even if the objective has replaced ``sys.stderr``
            os.write(2, f"{sentence}\n".encode(errors="backslashreplace"))
    return accepted, refused


def _keep_returned(job: Job, end: dict[str, Any]) -> None:
    """Write a returned value to disk, because the worker may be killed before it gets it. Ignores a full disk."""
    if job.returned_file is None or end["end"] != Outcome.COMPLETE.value:
        return
    new = job.returned_file.with_suffix(".writing")
    with contextlib.suppress(OSError):
        new.write_text(json.dumps({"values": list(end["values"]), "extra": end["extra"]}))
        new.replace(job.returned_file)


def _tell_end(link: ChannelLink, end: dict[str, Any]) -> bool:
    """Report the end to the worker; false if the objective has closed the socket (``os.closerange``)."""
    try:
        link.tell(end)
    except RuntimeError as error:
        _print_traceback(error)
        return False
    return True


def _end(outcome: Outcome, reason: str | None) -> dict[str, Any]:
    return {"end": outcome.value, "reason": None if reason is None else one_line(reason)}


def _print_traceback(error: BaseException) -> None:
    """Write the traceback to the log, whatever the objective has done to ``sys.stderr`` and its exception.

    It begins in the objective: the line that calls it is ours, and there for every error.
    """
    try:
        here = error.__traceback__
        traceback.print_exception(type(error), error, here.tb_next or here if here else None)
    except BaseException:  # noqa: BLE001 (the child's entry point: how it ended is told all the same)
        with contextlib.suppress(OSError):
            os.write(2, b"the traceback cannot be printed\n")


def _become_an_attempt(job: Job, log_fd: int) -> StopRequest:
    """Turn the copy of the fork server into an independent process."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in _DEFAULT_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    disown_exit_handlers()
    devnull = os.open(os.devnull, os.O_RDONLY)
    os.dup2(devnull, 0)
    os.close(devnull)
    os.dup2(log_fd, 1)
    os.dup2(log_fd, 2)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1, closefd=False, errors="backslashreplace")  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False, errors="backslashreplace")  # noqa: SIM115
    # To the log itself instead of fd 2, so that a crash is located even after the objective closed stderr.
    crash_log = os.fdopen(log_fd, "w")
    faulthandler.enable(crash_log)
    faulthandler.register(signal.SIGQUIT, crash_log, chain=False)
    _kept_open.append(crash_log)
    os.environ.update(job.environment)
    gc.enable()
    stopping = StopRequest(job.address)
    stopping.listen()
    return stopping


# faulthandler only keeps the number of the file descriptor.
_kept_open: list[Any] = []


def _seed_everything(seed: int | None) -> None:
    """Seed the global random generators. Without a seed, make sure that no two attempts draw the same numbers.

    A fork copies NumPy's state, so unseeded attempts of one worker would all start with the same numbers.
    """
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(None if seed is None else seed % 2**32)
    if torch := sys.modules.get("torch"):
        # CUDA's generators take their seed from here when they are created; this initializes nothing.
        torch.manual_seed(random.getrandbits(63) if seed is None else seed)
