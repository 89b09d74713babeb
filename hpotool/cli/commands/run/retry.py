"""``hpotool retry``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import StorageOption, StudyOption
from hpotool.cli.output import say
from hpotool.errors import HpotoolError, InputError, NotFoundError, paste

if TYPE_CHECKING:
    from hpotool.analysis.conditions import Condition
    from hpotool.storage.database.connection import Connection


def retry(
    trials: Annotated[
        list[int] | None,
        typer.Argument(metavar="TRIAL...", help="Numbers of trials.", min=0, show_default=False),
    ] = None,
    study: StudyOption = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Every failed trial that is not being retried yet.")
    ] = False,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="CONDITION",
            help="Only failed trials with 'outcome=crash', 'lr>0.1' or 'reason~memory'.",
        ),
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Queue failed trials again, with the same parameters, seed and checkpoints."""
    from hpotool.api.actor import current_actor
    from hpotool.cli.database import adopt_study, connect, say_if_nobody_works
    from hpotool.storage.control.orders import retry_trial

    conditions = _read_conditions(where or [])
    is_search = failed or bool(conditions)
    if is_search == bool(trials):
        problem = "give either trial numbers or --failed/--where, not both" if trials else "no trial is given"
        raise InputError(problem, "hpotool retry STUDY 3 7; or all failed ones: hpotool retry STUDY --failed")
    connection = connect(storage)
    study_id, name = adopt_study(connection, study)
    wanted = _find(connection, name, conditions) if is_search else list(dict.fromkeys(trials or []))
    refused: list[HpotoolError] = []
    for trial in wanted:
        try:
            number = retry_trial(connection.run, study_id, trial, current_actor())
        except (InputError, NotFoundError) as error:
            refused.append(error)
        else:
            say(f"trial {trial} is queued again, as trial {number}")
    if len(refused) < len(wanted):
        say_if_nobody_works(connection, name)
    _raise_all(refused)


def _read_conditions(where: list[str]) -> list[Condition]:
    from hpotool.analysis.conditions import read_conditions
    from hpotool.study.outcome import Outcome
    from hpotool.study.yaml.document import did_you_mean

    found = [condition for text in where for condition in read_conditions(text)]
    known = [outcome.value for outcome in Outcome]
    for condition in found:
        if condition.name == "outcome" and condition.sign in ("=", "==") and condition.text.lower() not in known:
            raise InputError(
                f"--where: there is no outcome {condition.text!r}{did_you_mean(condition.text, known)}",
                f"the outcomes are {', '.join(known)}",
            )
    return found


def _find(connection: Connection, name: str, conditions: list[Condition]) -> list[int]:
    """The failed trials that are not being retried and meet every condition."""
    from hpotool.analysis.selection import find_failed
    from hpotool.analysis.trials import list_trials
    from hpotool.cli.database import load_study
    from hpotool.storage.control.studies import list_attempts

    found = find_failed(list_trials(load_study(connection, name), list_attempts(connection, name)), conditions)
    if not found:
        such = " and".join(f" with {one.name}{one.sign}{one.text}" for one in conditions)
        raise NotFoundError(
            f"study {name!r} has no failed trial{such} to retry", paste("trials", "--study", name, "--failed")
        )
    return found


def _raise_all(errors: list[HpotoolError]) -> None:
    """Raise all refusals as one error: every message, and the first hint."""
    if errors:
        sentences = "\n".join(error.message for error in errors)
        raise type(errors[0])(sentences, errors[0].hint)
