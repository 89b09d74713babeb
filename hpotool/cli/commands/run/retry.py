"""``hpotool retry``."""

from __future__ import annotations

from hpotool.cli.options import StorageOption, StudyOption, TrialArgument
from hpotool.cli.output import say


def retry(trial: TrialArgument, study: StudyOption = None, storage: StorageOption = None) -> None:
    """Queue a failed trial again, with the same parameters, seed and checkpoints."""
    from hpotool.cli.actor import current_actor
    from hpotool.cli.database import connect, identify_study
    from hpotool.storage.control.orders import adopt_study, retry_trial

    connection = connect(storage)
    study_id, _ = identify_study(connection, study)
    adopt_study(connection.run, study_id)
    number = retry_trial(connection.run, study_id, trial, current_actor())
    say(f"trial {trial} is queued again as trial {number}")
