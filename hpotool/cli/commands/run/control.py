"""``hpotool pause``, ``resume``, ``drain``, ``stop``: orders that every worker gets within five seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import StorageOption, StudyOption
from hpotool.cli.output import say
from hpotool.errors import paste

if TYPE_CHECKING:
    from hpotool.storage.fleet.attempts import StudyState

ReasonOption = Annotated[
    str, typer.Option("--reason", "-m", metavar="TEXT", help="The reason, for the event log.", show_default=False)
]


def pause(study: StudyOption = None, reason: ReasonOption = "", storage: StorageOption = None) -> None:
    """Start no new trials; running trials finish, and workers wait."""
    _move(study, storage, "paused", reason, "paused; to continue: {resume}")


def resume(study: StudyOption = None, reason: ReasonOption = "", storage: StorageOption = None) -> None:
    """Resume a paused, draining or stopped study."""
    _move(study, storage, "running", reason, "running again; start any workers that have left")


def drain(study: StudyOption = None, reason: ReasonOption = "", storage: StorageOption = None) -> None:
    """Let every worker finish its trial and leave."""
    _move(study, storage, "draining", reason, "draining: each worker leaves after its trial")


def stop(
    study: StudyOption = None,
    trial: Annotated[
        int | None,
        typer.Option("--trial", metavar="N", min=0, help="Stop only this trial, for good.", show_default=False),
    ] = None,
    reason: ReasonOption = "",
    storage: StorageOption = None,
) -> None:
    """Have every worker save a checkpoint, requeue its trial and leave; or stop one trial for good."""
    if trial is None:
        _move(study, storage, "stopped", reason, "stopped: workers requeue their trials and leave")
        return
    from hpotool.cli.actor import current_actor
    from hpotool.cli.database import adopt_study, connect
    from hpotool.storage.control.orders import cancel_trial

    connection = connect(storage)
    study_id, _ = adopt_study(connection, study)
    came = cancel_trial(connection.run, study_id, trial, reason or "cancelled on request", current_actor())
    asked = f"trial {trial} is asked to stop: its worker learns of it within 5 s, and allows 10 s for a checkpoint"
    say(f"trial {trial} is cancelled" if came == "failed" else asked)


def _move(study: str | None, storage: str | None, state: StudyState, reason: str, done: str) -> None:
    from hpotool.cli.actor import current_actor
    from hpotool.cli.database import adopt_study, connect
    from hpotool.storage.control.orders import set_state

    connection = connect(storage)
    study_id, name = adopt_study(connection, study)
    kept = set_state(connection.run, study_id, state, reason, current_actor())
    done = done.format(resume=paste("resume", "--study", name))
    say(f"{name} is {done}" if kept is None else f"{name} is already {kept}")
