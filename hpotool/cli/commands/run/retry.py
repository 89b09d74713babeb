"""``hpotool retry``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import StorageOption, StudyOption
from hpotool.cli.output import say
from hpotool.errors import HpotoolError, InputError, NotFoundError, paste

if TYPE_CHECKING:
    from hpotool.storage.database.connection import Connection

_CONDITIONS = ("outcome", "host")


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
        typer.Option("--where", metavar="KEY=VALUE", help="Only failed trials with outcome=crash, or host=gpu-7."),
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Queue failed trials again, with the same parameters, seed and checkpoints."""
    from hpotool.cli.actor import current_actor
    from hpotool.cli.database import adopt_study, connect
    from hpotool.storage.control.orders import retry_trial

    conditions = _conditions(where or [])
    is_search = failed or bool(conditions)
    if is_search == bool(trials):
        problem = "give either trial numbers or --failed/--where, not both" if trials else "no trial is given"
        raise InputError(problem, "hpotool retry STUDY 3 7; or all failed ones: hpotool retry STUDY --failed")
    connection = connect(storage)
    study_id, name = adopt_study(connection, study)
    wanted = _find(connection, study_id, name, conditions) if is_search else list(dict.fromkeys(trials or []))
    refused: list[HpotoolError] = []
    for trial in wanted:
        try:
            number = retry_trial(connection.run, study_id, trial, current_actor())
        except (InputError, NotFoundError) as error:
            refused.append(error)
        else:
            say(f"trial {trial} is queued again, as trial {number}")
    _raise_all(refused)


def _conditions(where: list[str]) -> dict[str, str]:
    from hpotool.study.document import did_you_mean
    from hpotool.study.outcome import Outcome

    found: dict[str, str] = {}
    for text in where:
        key, equals, value = text.partition("=")
        if key not in _CONDITIONS or not equals:
            raise InputError(
                f"--where {text}: expected outcome=… or host=…", "hpotool retry --where outcome=crash"
            )
        known = [outcome.value for outcome in Outcome]
        if key == "outcome" and value not in known:
            raise InputError(
                f"--where {text}: there is no outcome {value!r}{did_you_mean(value, known)}",
                "hpotool retry --where outcome=crash",
            )
        found[key] = value
    return found


def _find(connection: Connection, study_id: int, name: str, conditions: dict[str, str]) -> list[int]:
    """The failed trials that are not being retried and meet every condition."""
    from hpotool.storage.control.keeping import read_failed_trials

    failed = read_failed_trials(connection, study_id)
    found = [trial["trial"] for trial in failed if all(trial[key] == conditions[key] for key in conditions)]
    if not found:
        such = "".join(f" with {key}={value}" for key, value in conditions.items())
        raise NotFoundError(f"study {name!r} has no failed trial{such} to retry", paste("trials", name))
    return found


def _raise_all(errors: list[HpotoolError]) -> None:
    """Raise all refusals as one error: every message, and the first hint."""
    if errors:
        sentences = "\n".join(error.message for error in errors)
        raise type(errors[0])(sentences, errors[0].hint)
