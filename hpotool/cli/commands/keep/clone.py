"""``hpotool clone``."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from hpotool.cli.commands.keep.rename import check_new_name
from hpotool.cli.options import StorageOption
from hpotool.cli.output import say
from hpotool.errors import paste
from hpotool.study.wording import count_of


class With(str, Enum):
    """What to copy besides the settings."""

    SETTINGS = "settings"
    POINTS = "points"
    TRIALS = "trials"


def clone(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="The study.")],
    name: Annotated[str, typer.Argument(metavar="NEW_NAME", help="The new study's name.")],
    what: Annotated[
        With,
        typer.Option(
            "--with",
            metavar="WHAT",
            help="settings only; points: also the points, to run again; or trials: also the trials.",
        ),
    ] = With.SETTINGS,
    storage: StorageOption = None,
) -> None:
    """Create a copy of a study."""
    from hpotool.api.actor import current_actor
    from hpotool.cli.database import connect, find_study, load_study
    from hpotool.storage.control.creation import read_spec_if_any
    from hpotool.storage.moving.clone import clone_points, clone_settings, clone_trials

    check_new_name(name, "clone", study)
    connection = connect(storage)
    source = find_study(connection, study)
    origin = load_study(connection, source.name, with_reevaluations=what is With.TRIALS)
    trials = [] if what is With.SETTINGS else origin.trials
    actor = f"clone by {current_actor()}"
    study_id = clone_settings(connection, source, name, actor, with_warm_start=what is With.SETTINGS)
    done = f"created study {name!r} from {source.name!r}"
    if what is With.POINTS:
        done += f", with {count_of(clone_points(connection, name, trials, actor), 'point')} queued"
    elif what is With.TRIALS:
        done += f", with {count_of(clone_trials(connection, study_id, trials, origin._study_id), 'trial')}"
    say(done)
    has_settings = read_spec_if_any(connection, name) is not None
    say(f"next: {paste('worker', '--study', name) if has_settings else paste('init', '--from-study', name)}")
