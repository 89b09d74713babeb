"""The ``hpotool`` command: registers the commands, and turns errors into a message, a hint and an exit code.

Commands import their dependencies when they are called, so that ``hpotool --help`` is fast.
"""

from __future__ import annotations

from hpotool.cli import first_moment  # noqa: F401

# isort: split
import errno
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from functools import cache
from inspect import signature
from typing import Annotated, Any

import typer
from typer.main import get_command

import hpotool
from hpotool.cli.command import Command, Group
from hpotool.cli.commands.decide import artifacts, compare, confirm, export, report, reproduce, run_final
from hpotool.cli.commands.describe import budget, check, create_study, enqueue, init, schema
from hpotool.cli.commands.fleet import doctor, drill, launch, metrics, pools, quarantine, quota, usage, workers
from hpotool.cli.commands.keep import archive, clean, clone, db, delete, import_study, note, rename
from hpotool.cli.commands.look import (
    best,
    dashboard,
    events,
    importance,
    logs,
    pareto,
    plot,
    show,
    status,
    studies,
    trials,
    watch,
)
from hpotool.cli.commands.run import control, notify, reap, retry, track, worker
from hpotool.cli.examples import examples_of
from hpotool.cli.output import say
from hpotool.cli.study_word import StudyCommand
from hpotool.cli.usage_errors import plain_usage_error
from hpotool.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_WRONG_INPUT, HpotoolError

app = typer.Typer(
    name="hpotool",
    cls=Group,
    help="Run hyperparameter studies on any number of GPU machines that share one Postgres.",
    epilog="Exit codes: 0 done, 1 the study or worker failed, 2 wrong input, 3 not found, "
    "4 database unreachable, 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_COMMANDS: dict[str, dict[str, Callable[..., object]]] = {
    "Describe a study": {
        "init": init.init,
        "create-study": create_study.create_study,
        "check": check.check,
        "schema": schema.schema,
        "budget": budget.budget,
        "enqueue": enqueue.enqueue,
    },
    "Run a study": {
        "worker": worker.worker,
        "pause": control.pause,
        "resume": control.resume,
        "drain": control.drain,
        "stop": control.stop,
        "retry": retry.retry,
        "reap": reap.reap,
        "track": track.track,
        "notify": notify.notify,
    },
    "Run a fleet": {
        "workers": workers.workers,
        "pools": pools.pools,
        "share": pools.share,
        "usage": usage.usage,
        "quarantine": quarantine.quarantine,
        "doctor": doctor.doctor,
        "drill": drill.drill,
        "metrics": metrics.metrics,
    },
    "See results": {
        "studies": studies.studies,
        "status": status.status,
        "watch": watch.watch,
        "trials": trials.trials,
        "show": show.show_study_or_trial,
        "logs": logs.logs,
        "events": events.events,
        "best": best.best,
        "pareto": pareto.pareto,
        "plot": plot.plot,
        "dashboard": dashboard.dashboard,
    },
    "Decide": {
        "importance": importance.importance,
        "confirm": confirm.confirm,
        "compare": compare.compare,
        "report": report.report,
        "run": run_final.run,
        "reproduce": reproduce.reproduce,
        "artifacts": artifacts.artifacts,
        "export": export.export,
    },
    "Manage studies": {
        "note": note.note,
        "tag": note.tag,
        "archive": archive.archive,
        "unarchive": archive.unarchive,
        "rename": rename.rename,
        "clone": clone.clone,
        "import": import_study.import_study,
        "delete": delete.delete,
        "clean": clean.clean,
    },
}


def _add(to: typer.Typer, name: str, command: Callable[..., object], panel: str | None = None) -> None:
    study = signature(command).parameters.get("study")
    is_of_a_study = (
        study is not None and study.annotation == "StudyOption"
    )  # annotations are strings until Typer evaluates them
    to.command(name, cls=StudyCommand if is_of_a_study else Command, rich_help_panel=panel)(command)


for panel, commands in _COMMANDS.items():
    for name, command in commands.items():
        _add(app, name, command, panel)
launch_app = typer.Typer(
    cls=Group,
    help="Start workers here, on hosts by ssh, on Slurm, on Kubernetes.",
    no_args_is_help=True,
)
for name, command in launch.COMMANDS.items():
    _add(launch_app, name, command)
app.add_typer(launch_app, name="launch", rich_help_panel="Run a fleet")
app.add_typer(quota.app, name="quota", rich_help_panel="Run a fleet")
app.add_typer(db.app, name="db", rich_help_panel="Manage the database")


def _show_version(is_asked: bool) -> None:
    if is_asked:
        sys.stdout.write(f"hpotool {hpotool.__version__}\n")
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show the traceback of an error; can be anywhere on the line."),
    ] = False,
) -> None:
    """Accept the options that belong to no command; ``main`` itself handles ``--debug``."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its exit code."""
    _complete_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    end = words.index("--") if "--" in words else len(words)  # what stands behind it are no options
    options = [word for word in words[:end] if word != "--debug"]
    sys.exit(_run([*options, *words[end:]], debug=len(options) < end))


def _complete_streams() -> None:
    """Let every command write, also where a stream was closed (`>&-`) or its encoding lacks letters."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 (open for as long as the process)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


@cache
def command_line() -> Any:
    """All commands as one, each with its examples.

    Square brackets in help texts are shown instead of read as Rich markup.
    """
    whole = get_command(app)
    _complete_help(whole, "")
    return whole


# Rich's own pattern for a tag (rich.markup.escape), without importing Rich for every command.
_TAG = re.compile(r"(\\*)(\[[a-z#/@][^[]*?])")


def _complete_help(command: Any, path: str) -> None:
    command.epilog = "\n\n".join(text for text in (examples_of(path), command.epilog) if text)
    for described in (command, *command.params):
        for text in ("help", "epilog"):
            if getattr(described, text, None):
                setattr(described, text, _TAG.sub(r"\1\1\\\2", getattr(described, text)))
    if command.help:  # a paragraph is as wide as the terminal, not as its lines in the code
        command.help = re.sub(r"(?<!\n)\n(?!\n)", " ", command.help)
    for name, each in getattr(command, "commands", {}).items():
        _complete_help(each, f"{path} {name}".strip())


def _run(words: list[str], *, debug: bool) -> int:
    try:
        result = command_line()(words, prog_name="hpotool", standalone_mode=False)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe is gone (`hpotool trials | head`). Without this, Python would complain again when it
        # flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:
        if debug:
            raise
        return _explain(error, words)
    return result if isinstance(result, int) else EXIT_DONE


def _command_of(words: Sequence[str]) -> str:
    """The command as typed, for the hint to its help, if the error does not know it."""
    named = ["hpotool"]
    command = command_line()
    for word in words:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        named.append(word)
    return " ".join(named)


def _explain(error: Exception, words: Sequence[str]) -> int:
    """Print the error and its hint; return the exit code."""
    if isinstance(error, HpotoolError):
        is_wrong = error.exit_code == EXIT_WRONG_INPUT
        _say_error(error.message, error.hint or (f"{_command_of(words)} --help" if is_wrong else None))
        return error.exit_code
    if hasattr(error, "format_message"):  # Typer's usage errors, whichever Click it contains
        context = getattr(error, "ctx", None)
        command = context.command_path if context else _command_of(words)
        if type(error).__name__ == "NoArgsIsHelpError":
            say(error.format_message())
            return EXIT_WRONG_INPUT
        _say_error(plain_usage_error(error.format_message(), command), f"{command} --help")
        return EXIT_WRONG_INPUT
    if type(error).__name__ == "Abort":
        return EXIT_INTERRUPTED
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = error.filename or "the output"
        _say_error(f"{where} cannot be written: {error.strerror}", "free some space, and run the command again")
        return EXIT_FAILED
    reason = " ".join(str(error).split()) or type(error).__name__
    _say_error(
        f"unexpected {type(error).__name__}: {reason}", "run the command again with --debug for the traceback"
    )
    return EXIT_FAILED


def _say_error(message: str, hint: str | None) -> None:
    first, *rest = message.splitlines() or [""]
    say(f"error: {first}")
    for line in rest:
        say(f"error: {line}")
    if hint:
        say(f"hint: {hint}")
