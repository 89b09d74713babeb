"""``hpotool drill``: attack a scratch study on your own fleet, and see whether the guarantees hold."""

from __future__ import annotations

import shutil
import signal
import tempfile
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import FormatOption, StorageOption, read_duration
from hpotool.cli.output import Answer, Format, say, show
from hpotool.errors import EXIT_DONE, EXIT_FAILED, exit_code_of_signal, paste
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hpotool.drill.plan import Plan, Report
    from hpotool.settings import Pulse

_ALL = "kill,stop,cut,lock,leave"


def drill(
    workers: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, max=1000, help="Workers to start on this machine; 0: only those that join."
        ),
    ] = 3,
    trials: Annotated[int, typer.Option(metavar="N", min=4, help="Trials that must finish.")] = 24,
    allow: Annotated[
        str, typer.Option(metavar="LIST", help="Attacks that are allowed, separated by commas.")
    ] = _ALL,
    attacks: Annotated[int, typer.Option(metavar="N", min=0, help="How many attacks to make.")] = 10,
    joined: Annotated[
        bool,
        typer.Option("--joined", help="Also strike workers on this machine that joined the drill by themselves."),
    ] = False,
    optuna: Annotated[
        bool, typer.Option("--optuna", help="Start plain Optuna workers instead, to see what breaks.")
    ] = False,
    patience: Annotated[
        str, typer.Option(metavar="DURATION", help="Fail if the study is not done after this time.")
    ] = "10m",
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Repeat the attacks of an earlier drill [default: random].",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the study and the logs.")] = False,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> int:
    """Attack a scratch study while workers serve it, and check that nothing was lost. No other study is touched.

    Attacks: kill (SIGKILL), stop (SIGSTOP), cut (the network), lock (the study's row), leave (SIGTERM).

    Exit code 0: all guarantees held; 1: one did not.
    """
    from hpotool.api.actor import current_actor
    from hpotool.cli.database import connect
    from hpotool.drill.attacks import parse_kinds
    from hpotool.drill.drill import Drill
    from hpotool.drill.plan import Plan
    from hpotool.drill.scratch import Scratch

    plan = Plan(
        trials=trials,
        workers=workers,
        kinds=parse_kinds(allow),
        attacks=attacks,
        pulse=_pulse(),
        seed=_any_seed() if seed is None else seed,
        patience_s=read_duration("--patience", patience).total_seconds(),
        may_strike_guests=joined,
        is_plain=optuna,
    )
    connection = connect(storage)
    heard = _hear_signals()
    scratch = Scratch.create(connection, plan, current_actor())
    folder = Path(tempfile.mkdtemp(prefix="hpotool-drill-"))
    drill = Drill(scratch, plan, folder, say, lambda: bool(heard))
    try:
        _say_how_to_join(scratch.name, plan)
        report = drill.run()
    finally:
        drill.clean_up(keep=keep)
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    if report is None:
        return exit_code_of_signal(heard[0])
    _show(report, format)
    if keep:
        way = paste("delete", "--", report.study)
        say(f"kept: study {report.study}, logs in {folder}; {way} deletes the study")
    elif not report.passed:
        say(f"{paste('drill', *_again(plan))} repeats the attacks and keeps study and logs")
    return EXIT_DONE if report.passed else EXIT_FAILED


def _hear_signals() -> list[int]:
    """The signals that ask the drill to end, as they come.

    No KeyboardInterrupt: one that arrives while a process is forked is lost.
    """
    heard: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        if not heard:
            say("ending: the drill's workers are killed first")
        heard.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, hear)
    return heard


def _again(plan: Plan) -> list[str]:
    """The options of the same drill."""
    words = ["--seed", str(plan.seed), "--keep", "--workers", str(plan.workers), "--trials", str(plan.trials)]
    words += ["--attacks", str(plan.attacks), "--allow", ",".join(plan.kinds)]
    words += ["--joined"] if plan.may_strike_guests else []
    return [*words, "--optuna"] if plan.is_plain else words


def _pulse() -> Pulse:
    """The configured pulse; without one, a quick one, so that a drill need not wait for half a minute."""
    import os
    from datetime import timedelta

    from hpotool.settings import Pulse, read_pulse

    is_configured = any(os.environ.get(f"HPOTOOL_{name}_S") for name in ("HEARTBEAT_INTERVAL", "GRACE_PERIOD"))
    return read_pulse() if is_configured else Pulse(timedelta(seconds=1), timedelta(seconds=4))


def _any_seed() -> int:
    import secrets

    return secrets.randbelow(2**31)


def _say_how_to_join(study: str, plan: Plan) -> None:
    here = count_of(plan.workers, "plain Optuna worker" if plan.is_plain else "worker")
    say(f"drill {study}: {count_of(plan.trials, 'trial')}, {here} here")
    say(f"{count_of(plan.attacks, 'attack')}: {', '.join(plan.kinds)}")
    variables = " ".join(f"{name}={value}" for name, value in plan.joining_variables.items())
    say("to have other workers join, on any machine:")
    say(f"  export {variables}")
    say(f"  {paste('worker', '--study', study)}")


def _show(report: Report, format: Format) -> None:
    data = report.as_data()
    rows: list[dict[str, Any]] = [
        {**each, "violations": "; ".join(each["violations"])} for each in data["invariants"]
    ]
    verdict = "passed" if report.passed else "failed"
    show(Answer(data=data, rows=rows, value=verdict, picture=lambda: _draw(report)), format)


def _draw(report: Report) -> RenderableType:
    """The invariants, each with its violations below; then a sentence."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    from hpotool.cli.screen.text import words

    parts: list[RenderableType] = [Text(_headline(report), style="bold"), Text()]
    for verdict in report.verdicts:
        sign, style = ("✓", "green") if verdict.holds else ("✗", "red")
        promise = f"{verdict.invariant.guarantee}  {verdict.invariant.promise}"
        parts.append(Text.assemble((f"  {sign} ", style), promise))
        shown = list(verdict.violations[:_SHOWN])
        if len(verdict.violations) > _SHOWN:
            shown.append(f"… and {len(verdict.violations) - _SHOWN} more (--format json)")
        parts += [Padding(words(sentence, "dim"), (0, 0, 0, 8), expand=False) for sentence in shown]
    return Group(*parts, Text(), _conclusion(report))


_SHOWN = 3


def _headline(report: Report) -> str:
    made = f"{len(report.attacks)} of {count_of(report.plan.attacks, 'attack')}"
    state = "" if report.is_done else "; the study was not done in time"
    return f"{report.study}: {count_of(report.plan.trials, 'trial')}, {made}, {report.took_s:.0f} s{state}"


def _conclusion(report: Report) -> RenderableType:
    from collections import Counter

    from rich.text import Text

    outcomes = Counter(attempt.outcome for attempt in report.evidence.attempts)
    ended = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    broken = sum(not verdict.holds for verdict in report.verdicts)
    attempts = [Text(f"attempts: {ended}")] if ended else []
    if not report.plan.workers:
        attempts.append(Text("not seen with --workers 0: unsent results, ends of workers, leftover processes"))
    if not broken:
        return _lines(*attempts, Text(f"passed: all {len(report.verdicts)} checks hold", style="green"))
    return _lines(*attempts, Text(f"failed: {broken} of {len(report.verdicts)} checks do not hold", style="red"))


def _lines(*lines: RenderableType) -> RenderableType:
    from rich.console import Group

    return Group(*lines)
