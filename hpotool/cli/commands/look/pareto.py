"""``hpotool pareto``."""

from __future__ import annotations

from hpotool.cli.commands.look.best import trials_answer
from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Format, show


def pareto(study: StudyOption = None, storage: StorageOption = None, format: FormatOption = Format.TABLE) -> None:
    """Show the Pareto front: the trials that no other trial beats in every metric."""
    from hpotool.analysis.confirmation.ranking import find_confirmed_front, read_confirmed
    from hpotool.cli.database import connect, load_study
    from hpotool.storage.control.studies import has_replicates

    connection = connect(storage)
    loaded = load_study(connection, study)
    confirmed = read_confirmed(connection, loaded)
    replicates = has_replicates(connection, loaded.study_name)
    show(trials_answer(find_confirmed_front(loaded, confirmed, replicates=replicates), loaded, confirmed), format)
