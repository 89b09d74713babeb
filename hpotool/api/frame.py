"""A study's trials as a pandas data frame, with hpotool's data in addition to Optuna's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpotool.analysis.costs import attempt_columns
from hpotool.analysis.exports.export import trial_rows
from hpotool.analysis.origins.lineage import read_summaries
from hpotool.api.studies import choose_study, load_study
from hpotool.errors import InputError
from hpotool.storage.control.creation import read_spec_if_any
from hpotool.storage.control.studies import list_attempts

if TYPE_CHECKING:
    import pandas
    from optuna import Study

    from hpotool.storage.optuna.postgres import PostgresStorage


def trials_dataframe(
    study: str | Study | None = None, *, storage: str | PostgresStorage | None = None
) -> pandas.DataFrame:
    """Return one row per trial: Optuna's columns with the metrics' names, then hpotool's columns.

    ``attempts`` is the number of attempts, and ``slot_hours`` and ``cost`` are summed over them; trials that
    plain Optuna ran have none. ``cost`` uses the prices in the study's budget. The columns ``lineage_…`` say what
    a trial came from; ``reused_study`` and ``reused_trial`` say whose result it has, if it was not run.

    Args:
        study: its name, or the study itself. Default: HPOTOOL_STUDY, or the only study in the database.
        storage: the database's URL, or an open storage. Default: the database that ``hpotool`` uses.

    Raises:
        NotFoundError: there is no such study.
        InputError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise InputError("a data frame needs pandas, which is not installed", "pip install pandas") from None
    chosen = choose_study(study, storage)
    loaded = load_study(study, storage) if study is None or isinstance(study, str) else study
    spec = read_spec_if_any(chosen.connection, chosen.name)
    attempts = list_attempts(chosen.connection, chosen.name)
    origins = read_summaries(chosen.connection, loaded)
    chosen.connection.close()
    prices = spec.budget.prices if spec else {}
    rows: list[dict[str, Any]] = [
        {**row, **attempt_columns(row["state"], attempts.get(row["number"], ()), prices)}
        for row in trial_rows(loaded, origins=origins)
    ]
    frame = pandas.DataFrame(rows)
    for column in ("datetime_start", "datetime_complete"):
        if column in frame:
            frame[column] = pandas.to_datetime(frame[column], utc=True, format="ISO8601")
    return frame
