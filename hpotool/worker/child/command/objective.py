"""Runs a command as the objective: any program in any language, started by the attempt's child process.

The command leads its own process group below the child, gets its parameters as arguments, as environment variables
and as a file, and never passes through a shell. Its output goes to the attempt's log and is searched for metrics.
It is asked to end by SIGTERM, and then killed by SIGKILL.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hpotool.errors import InputError
from hpotool.reporting import EXIT_INFEASIBLE, EXIT_PREEMPTED
from hpotool.study.command_template import read_arguments, script_of, template_names
from hpotool.study.outcome import Outcome
from hpotool.study.spec import ObjectiveSpec
from hpotool.worker.child.command.arguments import (
    AbsentError,
    fill_arguments,
    fill_template,
    parameter_variables,
    read_variable,
    spell_json,
    variables_in,
)
from hpotool.worker.child.command.last_words import LastWords
from hpotool.worker.child.command.output import (
    Line,
    LineReader,
    LineSplitter,
    Report,
    Series,
    Untaken,
    read_object,
)
from hpotool.worker.child.command.report_socket import SCRATCH_PREFIX, ReportSocket
from hpotool.worker.child.objective_trial import ObjectiveTrial
from hpotool.worker.process.classify_end import classify_exit, name_signal
from hpotool.worker.process.process_tree import die_with_parent
from hpotool.worker.process.protocol import AttemptEnded, Job

_ENDS_WITHIN_S = 10.0  # from SIGTERM to SIGKILL when it is pruned
_LOOKS_EVERY_S = 0.2
_STOPPED = "it stopped when it was asked to"
_CHUNK = 1 << 16
_TOLD_AT_MOST = 20  # number of distinct messages about lines that could not be read


def check_command(objective: ObjectiveSpec, environment: Mapping[str, str]) -> None:
    """Check that the command's program and the environment variables it needs exist.

    Raises:
        InputError: one of them does not.
    """
    command = objective.command or ()
    for name in variables_in([*command, *objective.environment.values()]):
        read_variable(name, environment)
    program = _fill_constant(command[0], environment)
    if program is not None and shutil.which(program, path=environment.get("PATH")) is None:
        raise InputError(
            f"the study's command cannot be run: there is no program {program!r} here",
            f"it was looked up in {os.environ.get('PATH', 'an empty PATH')}",
        )
    script = script_of(command)
    path = None if script is None else _fill_constant(script, environment)
    if path is not None and not Path(path).is_file():
        raise InputError(
            f"the study's command cannot be run: there is no file {path!r} here",
            f"it was looked up in {Path.cwd()}, the working directory",
        )


def _fill_constant(template: str, environment: Mapping[str, str]) -> str | None:
    """The argument, if it is the same in every trial."""
    return None if template_names(template) else fill_template(template, {}, (), environment)


class CommandObjective:
    """Runs the command for a trial and returns its metrics by name."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._objective = job.objective
        self._arguments = read_arguments(self._objective.command or (), job.space)
        self._known = [parameter.name for parameter in job.space]
        self._metrics = job.study.metric_names
        self._wanted = frozenset(self._metrics) | frozenset(job.study.constraint_names)
        self._series = Series(self._objective.take)
        self._splitter = LineSplitter(sorted(self._wanted))
        self._reader = LineReader(self._metrics, job.study.constraint_names, self._objective.patterns)
        self._last_words = LastWords()
        self._told: list[str] = []
        self._told_to_end: tuple[Outcome, str, float] | None = None

    def __call__(self, trial: ObjectiveTrial) -> dict[str, float]:
        """Run the command until it ends.

        Raises:
            AttemptEnded: it ended without its metrics.
        """
        with tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX) as scratch:
            params_file = Path(scratch, "params.json")
            params_file.write_text(spell_json(trial.params))
            with contextlib.closing(
                ReportSocket(Path(scratch), lambda request: self._answer(trial, request))
            ) as reports:
                result_file = self._result_file(trial, params_file)
                process = self._start(trial, params_file, reports.path)
                self._accompany(process, trial, reports)
            if result_file is not None and process.returncode == 0:
                self._read_result_file(result_file, trial)
            return self._judge(process.returncode, trial)

    def _fields(self, trial: ObjectiveTrial, params_file: Path) -> dict[str, Any]:
        return {
            "phase": self._job.environment.get("HPOTOOL_PHASE", ""),
            "holdout": self._job.environment.get("HPOTOOL_HOLDOUT", ""),
            **trial.params,
            "params_file": str(params_file),
            "checkpoint_dir": str(trial.checkpoint_dir or ""),
            "trial": trial.number,
            "seed": "" if trial.seed is None else trial.seed,
            "steps": self._job.environment.get("HPOTOOL_STEPS", ""),
            "args_json": spell_json(trial.params),
        }

    def _result_file(self, trial: ObjectiveTrial, params_file: Path) -> Path | None:
        if self._objective.result_file is None:
            return None
        path = Path(
            fill_template(self._objective.result_file, self._fields(trial, params_file), self._known, os.environ)
        )
        path.unlink(missing_ok=True)  # remove an earlier attempt's result
        return path

    def _start(self, trial: ObjectiveTrial, params_file: Path, socket_path: Path) -> subprocess.Popen[bytes]:
        fields = self._fields(trial, params_file)
        arguments = fill_arguments(self._arguments, fields, self._job.space, os.environ)
        own: dict[str, str] = {}
        for name, text in self._objective.environment.items():
            with contextlib.suppress(AbsentError):  # the variable of a parameter that this trial does not have
                own[name] = fill_template(text, fields, self._known, os.environ)
        this = os.getpid()
        environment = {
            **os.environ,
            **own,
            **parameter_variables(trial.params),
            "HPOTOOL_PARAMS": str(params_file),
            "HPOTOOL_ATTEMPT": str(socket_path),
            "PYTHONUNBUFFERED": "1",  # so that a Python script's reports arrive when they are printed
        }
        try:
            return subprocess.Popen(
                arguments,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(this),
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise AttemptEnded(
                Outcome.ERROR, f"the command {arguments[0]!r} cannot be started: {error}"
            ) from error

    def _accompany(self, process: subprocess.Popen[bytes], trial: ObjectiveTrial, reports: ReportSocket) -> None:
        """Read the command's output and answer its questions until it ends, and end it if necessary."""
        assert process.stdout is not None
        output = process.stdout.fileno()
        os.set_blocking(output, False)
        is_open = True
        while process.poll() is None:
            sources: list[Any] = [*([output] if is_open else []), *reports.sources()]
            readable = select.select(sources, [], [], _LOOKS_EVERY_S)[0]
            if output in readable:
                is_open = self._read_output(output, trial) > 0
            reports.serve(readable)
            if trial.should_stop():
                self._tell_to_end(Outcome.PREEMPTED, _STOPPED, float("inf"))
            self._make_it_end(process)
        if is_open:
            self._read_rest(output, trial)
        self._take_lines(self._splitter.finish(), trial)
        process.stdout.close()

    def _read_output(self, output: int, trial: ObjectiveTrial, at_most: int = _CHUNK) -> int:
        """Read once; return the number of bytes, 0 at the end."""
        data = os.read(output, at_most)
        with contextlib.suppress(OSError):  # the log's disk is full: continue without it
            os.write(1, data)
        self._take_lines(self._splitter.feed(data), trial)
        return len(data)

    def _read_rest(self, output: int, trial: ObjectiveTrial) -> None:
        """Read what the pipe holds from before the command ended; processes it left may print for ever."""
        rest = struct.unpack("i", fcntl.ioctl(output, termios.FIONREAD, b"\0" * 4))[0]
        while rest > 0 and (count := self._read_output(output, trial, min(rest, _CHUNK))):
            rest -= count

    def _take_lines(self, lines: Iterable[Line], trial: ObjectiveTrial) -> None:
        for line in lines:
            found = list(self._reader.read(line))
            self._take(found, trial)
            if not found:
                self._last_words.add(line.text)
            stepped = [part.step for part in found if isinstance(part, Report) and part.step is not None]
            if stepped and self._told_to_end is None and trial.should_prune():
                self._tell_to_end(Outcome.PRUNED, trial.describe_prune(), _ENDS_WITHIN_S)

    def _take(self, found: Iterable[Report | Untaken], trial: ObjectiveTrial) -> None:
        for part in found:
            if isinstance(part, Untaken):
                self._series.miss(part)
                self._tell(f"{part.metric!r} could not be read from a line: {part.why}")
                continue
            self._series.add(part)
            of_metrics = {name: value for name, value in part.values.items() if name in self._metrics}
            if part.step is not None and of_metrics:
                trial.report(of_metrics, part.step)

    def _tell(self, sentence: str) -> None:
        """Write a message to the log, once, and later to the outcome."""
        if sentence in self._told or len(self._told) >= _TOLD_AT_MOST:
            return
        self._told.append(sentence)
        with contextlib.suppress(OSError):
            os.write(1, f"hpotool: {sentence}\n".encode(errors="replace"))

    def _answer(self, trial: ObjectiveTrial, request: Any) -> bool | None:
        """Answer hpotool.reporting. A script that asks is expected to end by itself if the answer is yes."""
        question = request.get("ask") if isinstance(request, dict) else None
        if question == "should_stop":
            return trial.should_stop()
        if question == "should_prune":
            if trial.should_prune():
                self._tell_to_end(Outcome.PRUNED, trial.describe_prune(), _ENDS_WITHIN_S, ask=False)
                return True
            return False
        self._take(read_object(request, self._wanted), trial)
        return None

    def _tell_to_end(self, outcome: Outcome, reason: str, within_s: float, ask: bool = True) -> None:
        if self._told_to_end is None:
            self._told_to_end = outcome, reason, time.monotonic() + within_s
            self._ask_by_signal = ask

    def _make_it_end(self, process: subprocess.Popen[bytes]) -> None:
        if self._told_to_end is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if self._ask_by_signal:
                self._ask_by_signal = False
                os.killpg(process.pid, signal.SIGTERM)
            elif time.monotonic() > self._told_to_end[2]:
                os.killpg(process.pid, signal.SIGKILL)

    def _read_result_file(self, path: Path, trial: ObjectiveTrial) -> None:
        try:
            found = list(read_object(json.loads(path.read_bytes()), frozenset(self._metrics)))
        except FileNotFoundError:
            return
        except (OSError, ValueError, RecursionError) as error:
            self._refuse_result_file(f"{path} cannot be read: {error}", trial)
            return
        if not found:
            self._refuse_result_file(f"{path} has none of {', '.join(self._metrics)}", trial)
        self._take(found, trial)

    def _refuse_result_file(self, why: str, trial: ObjectiveTrial) -> None:
        if not self._is_stopping(trial):  # it may have been partly written
            raise AttemptEnded(Outcome.ERROR, f"its result file {why}")

    def _judge(self, code: int, trial: ObjectiveTrial) -> dict[str, float]:
        if code == 0 and (self._told_to_end is None or self._told_to_end[0] is not Outcome.PRUNED):
            return self._result(trial)
        if self._told_to_end is not None:
            raise AttemptEnded(*self._told_to_end[:2])
        if code == EXIT_INFEASIBLE:
            trial.set_constraint("infeasible", 1.0)
            raise AttemptEnded(Outcome.PRUNED, "the command says that these parameters are infeasible")
        if code == EXIT_PREEMPTED:
            raise AttemptEnded(Outcome.PREEMPTED, "the command asks to be started again")
        if (
            code > 128 and (code - 128) in signal.valid_signals()
        ):  # how a shell reports a signal that ended its command
            raise AttemptEnded(
                Outcome.CRASH, f"the command ended with exit code {code}: {name_signal(code - 128)}"
            )
        if code < 0:
            outcome, reason = classify_exit(code, "", killed_for_memory=False)
            raise AttemptEnded(outcome, reason.replace("its process", "the command"))
        raise AttemptEnded(Outcome.ERROR, self._last_words.explain(f"the command ended with exit code {code}"))

    def _result(self, trial: ObjectiveTrial) -> dict[str, float]:
        """The metrics of a command that exited with 0.

        Raises:
            AttemptEnded: it was asked to stop before it had them all, or one of them is missing or unreadable.
                With ``values`` if there is a remark on its lines.
        """
        values = self._series.values
        missing = [name for name in self._metrics if name not in values]
        unknown = [name for name in self._metrics if name in self._series.unknown]
        is_whole = not missing and not unknown
        # A program that was asked to stop exits with 0 at its current state, so its last step's value is not a
        # result.
        if self._is_stopping(trial) and not (is_whole and self._series.final.issuperset(self._metrics)):
            raise AttemptEnded(Outcome.PREEMPTED, _STOPPED)
        if unknown:
            why = "; ".join(f"{name!r}: {self._series.unknown[name]}" for name in unknown)
            raise AttemptEnded(Outcome.ERROR, f"the command's last line with a metric could not be read: {why}")
        if missing:
            hints = [hint for name in missing if (hint := self._reader.why_missing(name))]
            raise AttemptEnded(Outcome.ERROR, describe_missing(missing, [*hints, *self._told]))
        if self._told:
            raise AttemptEnded(Outcome.COMPLETE, "; ".join(self._told), values)
        return values

    def _is_stopping(self, trial: ObjectiveTrial) -> bool:
        """Whether the command was asked to stop, by us or by a scheduler that signals all processes of a job."""
        return trial.should_stop() or (self._told_to_end is not None and self._told_to_end[0] is Outcome.PREEMPTED)


def describe_missing(missing: Sequence[str], remarks: Sequence[str]) -> str:
    """Why a command that exited with 0 has no result. ``remarks``: what is known of each of these metrics."""
    sentence = f"the command exited with 0, but reported no value for {', '.join(map(repr, missing))}"
    return "; ".join([sentence, *remarks])
