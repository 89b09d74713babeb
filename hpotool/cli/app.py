"""The ``hpotool`` command: registers the commands, and turns errors into a sentence, a hint and an exit code.

Commands import what they need inside themselves, so that ``hpotool --help`` answers at once.
"""

from __future__ import annotations

from hpotool.cli import first_moment  # noqa: F401

# isort: split
import os
import re
import signal
import sys
from collections.abc import Callable
from difflib import get_close_matches
from inspect import signature
from typing import Annotated, Any

import typer
from typer.main import get_command

import hpotool
from hpotool.cli.commands.decide import artifacts, confirm, export, run_final
from hpotool.cli.commands.describe import budget, check, create_study, enqueue, init, schema
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
from hpotool.cli.commands.run import control, reap, retry, worker
from hpotool.cli.output import say
from hpotool.cli.study_word import StudyCommand
from hpotool.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_WRONG_INPUT, HpotoolError

app = typer.Typer(
    name="hpotool",
    help="Hyperparameter studies on any number of GPU machines with one Postgres between them.",
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
    "Run it": {
        "worker": worker.worker,
        "pause": control.pause,
        "resume": control.resume,
        "drain": control.drain,
        "stop": control.stop,
        "retry": retry.retry,
        "reap": reap.reap,
    },
    "Look at it": {
        "studies": studies.studies,
        "status": status.status,
        "watch": watch.watch,
        "trials": trials.trials,
        "show": show.show_study_or_trial,
        "logs": logs.logs,
        "events": events.events,
        "best": best.best,
        "pareto": pareto.pareto,
        "importance": importance.importance,
        "plot": plot.plot,
        "export": export.export,
        "dashboard": dashboard.dashboard,
    },
    "Decide": {
        "confirm": confirm.confirm,
        "run": run_final.run,
        "artifacts": artifacts.artifacts,
    },
    "Keep it in order": {
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
for panel, commands in _COMMANDS.items():
    for name, command in commands.items():
        study = signature(command).parameters.get("study")
        is_of_a_study = study is not None and study.annotation == "StudyOption"  # a text until Typer looks at it
        app.command(name, cls=StudyCommand if is_of_a_study else None, rich_help_panel=panel)(command)
app.add_typer(db.app, name="db", rich_help_panel="Keep the database")


def _show_version(is_asked: bool) -> None:
    if is_asked:
        sys.stdout.write(f"hpotool {hpotool.__version__}\n")
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; anywhere on the line.")
    ] = False,
) -> None:
    """Take what belongs to no command; ``main`` itself looks for ``--debug``."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    sys.exit(_run(words, debug))


def command_line() -> Any:
    """The commands as one; what their help says in square brackets is shown, not taken for Rich's markup."""
    whole = get_command(app)
    _escape_markup(whole)
    return whole


# Rich's own rule for what is a tag (rich.markup.escape), without importing Rich for every command.
_TAG = re.compile(r"(\\*)(\[[a-z#/@][^[]*?])")


def _escape_markup(command: Any) -> None:
    for described in (command, *command.params):
        if getattr(described, "help", None):
            described.help = _TAG.sub(r"\1\1\\\2", described.help)
    for each in getattr(command, "commands", {}).values():
        _escape_markup(each)


def _run(words: list[str], debug: bool) -> int:
    try:
        result = command_line()(words, prog_name="hpotool", standalone_mode=False)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has left (`hpotool trials | head`). Python would complain once more when it
        # flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:
        if debug:
            raise
        return _explain(error)
    return result if isinstance(result, int) else EXIT_DONE


def _explain(error: Exception) -> int:
    """Say what went wrong; return the exit code."""
    if isinstance(error, HpotoolError):
        _say_error(error.message, error.hint)
        return error.exit_code
    if hasattr(error, "format_message"):  # Typer's usage errors, whichever Click it carries
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "hpotool"
        if type(error).__name__ == "NoArgsIsHelpError":
            say(error.format_message())
            return EXIT_WRONG_INPUT
        _say_error(_plain_usage_error(error.format_message().rstrip(".")), f"{command} --help")
        return EXIT_WRONG_INPUT
    if type(error).__name__ == "Abort":
        return EXIT_INTERRUPTED
    reason = " ".join(str(error).split()) or type(error).__name__
    _say_error(f"unexpected {type(error).__name__}: {reason}", "run it again with --debug to see where")
    return EXIT_FAILED


def _plain_usage_error(message: str) -> str:
    """Typer's sentence about a wrong choice without its prefixes, and with what was probably meant."""
    found = re.search(r"('[^']*') is not one of (.+)$", message)
    if found is None:
        return message
    choices = re.findall(r"'([^']*)'", found[2])
    alike = get_close_matches(found[1].strip("'"), choices, n=1)
    return f"{found[1]} is not one of {', '.join(choices)}" + (f"; did you mean {alike[0]!r}?" if alike else "")


def _say_error(message: str, hint: str | None) -> None:
    first, *rest = message.splitlines() or [""]
    say(f"error: {first}")
    for line in rest:
        say(f"error: {line}")
    if hint:
        say(f"hint: {hint}")
