"""Processes beside the workers of a study, each for all of them: exporters to trackers, and the notifier.

Every worker looks now and then whether a job has a holder, and starts the process where it has none. So one of
them is elected, and another one when it is gone. The process has its own connection and its own log; trials know
nothing of what it does, and never wait for it.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from hpotool.errors import EXIT_WRONG_INPUT, DatabaseUnreachableError, HpotoolError
from hpotool.storage.fleet.attempts import Run
from hpotool.storage.tracking.jobs import Job, is_job_free, release_job, take_job
from hpotool.worker.log import log_event
from hpotool.worker.membership.side_threads import Step

_FIRST_DELAY_S, _LONGEST_DELAY_S = 5.0, 300.0  # between two starts of one that fails
_LAST_WORDS_S = 20.0  # for a process to send the rest of a study that is over
_LEAVE_S = 5.0  # for one that is told to leave
_BEGIN_S = 120.0  # for one to begin: a machine that is busy may take long to import what it needs


LastLook = Callable[[Run, Job], None]


@dataclass(frozen=True)
class SideCommand:
    """A job, and the words of the command that does it, but for the study's name, which may change.

    ``last_look`` does it once more in the worker itself, when that leaves and nobody else does it: for what only a
    worker that has left can say, and no process would begin in time to say.
    """

    job: str
    words: tuple[str, ...]
    last_look: LastLook | None = None


class _Started:
    """One job, and its process where this worker has started it."""

    def __init__(self, command: SideCommand) -> None:
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None
        self.start_at = time.monotonic()
        self.begun_at = self.start_at
        self.delay_s = _FIRST_DELAY_S
        self.is_given_up = False


class SideProcesses:
    """The side processes of one worker, until it leaves; ``step`` is called by a side thread.

    When ``is_over`` says that the study is, they may send the rest first, for a while. ``run`` is the worker's
    own; ``last_run`` is for the moments after it has left, and waits for no database.
    """

    def __init__(
        self,
        run: Run,
        last_run: Run,
        study_id: int,
        worker_id: str,
        commands: Sequence[SideCommand],
        environment: Mapping[str, str],
        logs: Path,
        held_for: timedelta,
        is_told: Callable[[], bool] = lambda: False,
    ) -> None:
        self._run = run
        self._last_run = last_run
        self._study_id = study_id
        self._worker_id = worker_id
        self._all = [_Started(command) for command in commands]
        # Nothing of it needs a GPU, and a library that looks for one would take memory on it.
        self._environment = {**environment, "CUDA_VISIBLE_DEVICES": ""}
        self._logs = logs
        self._held_for = held_for
        self._is_told = is_told  # to leave soon: then it waits for nothing
        self.is_over = False

    def __enter__(self) -> SideProcesses:
        return self

    @property
    def steps(self) -> Mapping[str, Step]:
        """What a side thread calls; nothing where there is no job."""
        return {"side processes": self.step} if self._all else {}

    def step(self) -> float:
        """Start what nobody does; the seconds until the next look."""
        with suppress(DatabaseUnreachableError):  # the heartbeat says so
            for one in self._all:
                self._look_after(one)
        return self._held_for.total_seconds() / 3

    def __exit__(self, *_: object) -> None:
        for one in self._all:
            if self.is_over and one.process is None and one.command.last_look is None:
                self._send_rest(one)
        left = [one for one in self._all if one.process is not None and one.process.poll() is None]
        if left and self.is_over:
            log_event(
                "side", f"waiting for what is still to be sent: {', '.join(one.command.job for one in left)}"
            )
        until = time.monotonic() + (_LAST_WORDS_S if self.is_over else 0)
        while any(one.process and one.process.poll() is None for one in left) and time.monotonic() < until:
            if self._is_told():
                break
            time.sleep(0.1)
        for one in left:
            if one.process is not None:
                self._end(one, one.process)
        for one in self._all:
            if one.command.last_look is not None:
                self._look_last(one, one.command.last_look)

    def _look_after(self, one: _Started) -> None:
        if one.process is not None and one.process.poll() is not None:
            self._settle(one, one.process.returncode)
        if one.process is not None:
            if time.monotonic() - one.begun_at < _BEGIN_S:  # later it holds the job by itself, or loses it
                take_job(self._run, self._job(one), self._held_for)
        elif not one.is_given_up and time.monotonic() >= one.start_at and self._elect(self._run, one):
            self._start(self._run, one)

    def _elect(self, run: Run, one: _Started) -> bool:
        """Whether this worker is to do the job: nobody holds it, and it was the first to take it."""
        job = self._job(one)
        return is_job_free(run, job) and take_job(run, job, self._held_for) is not None

    def _job(self, one: _Started) -> Job:
        return Job(self._study_id, one.command.job, self._worker_id)

    def _start(self, run: Run, one: _Started, *more: str) -> None:
        named = run("SELECT study_name FROM studies WHERE study_id = %(study_id)s", {"study_id": self._study_id})
        if not named:  # deleted: the worker leaves, too
            return
        command = [sys.executable, "-m", "hpotool", *one.command.words, "--study", str(named[0][0]), *more]
        command += ["--holder", self._worker_id, "--parent", str(os.getpid())]
        self._logs.mkdir(parents=True, exist_ok=True)
        one.begun_at = time.monotonic()
        with self._log_of(one).open("ab") as log:
            one.process = subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a terminal's Ctrl-C is for the worker, which passes on what it means
            )
        log_event("side", f"doing for all workers: {one.command.job}", job=one.command.job, pid=one.process.pid)

    def _settle(self, one: _Started, code: int) -> None:
        """What the end of a process means: that it is done, that it can never work here, or to start it again."""
        one.process = None
        if code == 0:
            one.delay_s = _FIRST_DELAY_S
            one.start_at = time.monotonic() + one.delay_s
            return
        one.is_given_up = code == EXIT_WRONG_INPUT
        one.start_at = time.monotonic() + one.delay_s
        one.delay_s = min(2 * one.delay_s, _LONGEST_DELAY_S)
        fate = "not tried again by this worker" if one.is_given_up else "tried again"
        log_event(
            "side",
            f"{one.command.job} ended with {code}, and is {fate}: {self._last_line(one)}",
            logging.WARNING,
            job=one.command.job,
        )

    def _send_rest(self, one: _Started) -> None:
        """Do the job where no other worker does: what is there when the study is over would stay there."""
        with self._leaving_it_at_that(one):
            if not one.is_given_up and self._elect(self._last_run, one):
                self._start(self._last_run, one, "--once")

    def _look_last(self, one: _Started, last_look: LastLook) -> None:
        with self._leaving_it_at_that(one):
            if self._elect(self._last_run, one):
                last_look(self._last_run, self._job(one))
                release_job(self._last_run, self._job(one))

    @contextmanager
    def _leaving_it_at_that(self, one: _Started) -> Iterator[None]:
        """A database that is away keeps no worker: whoever comes next goes on."""
        try:
            yield
        except HpotoolError as error:
            log_event("side", f"{one.command.job} is left as it is: {error.message}", logging.WARNING)

    def _end(self, one: _Started, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_LEAVE_S)
            except subprocess.TimeoutExpired:
                process.kill()  # whatever it was sending may be sent again
                process.wait()
        log_event("side", f"{one.command.job}: {self._last_line(one)}", job=one.command.job)

    def _log_of(self, one: _Started) -> Path:
        return self._logs / f"{one.command.words[0]}-{self._all.index(one)}.log"

    def _last_line(self, one: _Started) -> str:
        try:
            lines = self._log_of(one).read_bytes()[-2000:].decode("utf-8", "replace").split("\n")
        except OSError:
            return "its log cannot be read"
        return next((line for line in reversed(lines) if line.strip() and not line.startswith("hint:")), "no word")
