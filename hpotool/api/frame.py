"""A study's trials as a pandas data frame, with what hpotool knows of each beyond Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpotool.analysis.costs import attempt_columns
from hpotool.analysis.exports.export import trial_rows
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
    """One row per trial: Optuna's columns with the metrics' names, then outcome, reason, attempts, time and cost.

    ``attempts`` counts how often the trial was tried, ``slot_hours`` and ``cost`` add up over all of them; a
    trial that plain Optuna ran has none. ``cost`` is by the prices of the study's budget.

    Args:
        study: its name, or the study itself; HPOTOOL_STUDY, or the only one of the database, by default.
        storage: the database's URL, or an open storage; the one that ``hpotool`` itself uses by default.

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
    chosen.connection.close()
    prices = spec.budget.prices if spec else {}
    rows: list[dict[str, Any]] = [
        {**row, **attempt_columns(row["state"], attempts.get(row["number"], ()), prices)}
        for row in trial_rows(loaded)
    ]
    frame = pandas.DataFrame(rows)
    for column in ("datetime_start", "datetime_complete"):
        if column in frame:
            frame[column] = pandas.to_datetime(frame[column], utc=True, format="ISO8601")
    return frame
