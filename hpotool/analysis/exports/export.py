"""Exports a study for other programs: the best parameters to train with, and one row per trial for data frames."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hpotool.analysis.best import find_best
from hpotool.analysis.results import duration_s, json_data, metric_names, utc
from hpotool.errors import NotFoundError, paste
from hpotool.storage.fleet.reuse import REUSED
from hpotool.study.phase import Reevaluation

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from hpotool.analysis.candidates import BestTrials
    from hpotool.analysis.trials import Attempts

    Origins = Mapping[int, Mapping[str, Any]]  # by trial, what it came from in a few words


def best_params(study: Study, found: BestTrials | None = None) -> dict[str, Any]:
    """Return the parameters of the best trial, ready to be written as YAML or JSON; ``found`` by `find_best`.

    Raises:
        NotFoundError: there is no best trial yet, or a front of more than one trial.
    """
    best = found or find_best(study)
    if best.why_none:
        raise NotFoundError(
            f"study {study.study_name!r}: {best.why_none}", paste("status", "--study", study.study_name)
        )
    if len(best.trials) > 1:
        raise NotFoundError(
            f"study {study.study_name!r} has no single best trial, but a Pareto front of {len(best.trials)}",
            f"{paste('pareto', '--study', study.study_name)} shows them; choose one with --trial",
        )
    return dict(json_data(best.trials[0].params))


def trial_params(study: Study, number: int) -> dict[str, Any]:
    """Return the parameters of one trial.

    Raises:
        NotFoundError: the study has no trial of that number.
    """
    from hpotool.analysis.trials import describe_trial

    return dict(json_data(describe_trial(study, number).record.result.params))


def several_params(study: Study, count: int, found: BestTrials | None = None) -> list[dict[str, Any]]:
    """Return the parameters of the ``count`` best trials, best first; for a Pareto front, its first ones.

    Raises:
        NotFoundError: there is no best trial yet.
    """
    best = found or find_best(study, count)
    if best.why_none:
        raise NotFoundError(
            f"study {study.study_name!r}: {best.why_none}", paste("status", "--study", study.study_name)
        )
    return [dict(json_data(trial.params)) for trial in best.trials[:count]]


def trial_rows(
    study: Study, attempts: Attempts | None = None, origins: Origins | None = None
) -> list[dict[str, Any]]:
    """Return one flat row per trial, all with the same columns, named as in Optuna's ``trials_dataframe``.

    The last attempt's end and host come from ``attempts``, its lineage from ``origins``. Floats are unchanged:
    written with ``repr``, as the csv module does, they read back exactly; infinities are ``inf`` and ``-inf``.
    Values that are neither text nor numbers (attributes that are lists) become JSON.
    """
    names = metric_names(study)
    own, known = attempts or {}, origins or {}
    rows = [
        {**_row(trial, names, own.get(trial.number, ())), **_origin(trial, known)}
        for trial in study.get_trials(deepcopy=False)
    ]
    columns = _ordered_columns(rows)
    return [{column: json_data(row.get(column)) for column in columns} for row in rows]


def step_rows(study: Study, origins: Origins | None = None) -> list[dict[str, Any]]:
    """Return one row per reported step of each trial: ``number``, ``step``, ``value``, and what it came from."""
    rows = [
        {"number": trial.number, "step": step, "value": json_data(value), **_origin(trial, origins or {})}
        for trial in study.get_trials(deepcopy=False)
        for step, value in sorted(trial.intermediate_values.items())
    ]
    columns = dict.fromkeys(column for row in rows for column in row)
    return [{column: row.get(column) for column in columns} for row in rows]


def _origin(trial: FrozenTrial, origins: Origins) -> dict[str, Any]:
    """What the trial came from, as far as it is known, and whose result it has, if it was not run."""
    found = {f"lineage_{name}": _cell(value) for name, value in origins.get(trial.number, {}).items()}
    reused = trial.system_attrs.get(REUSED) or {}
    return {**found, **{f"reused_{name}": value for name, value in reused.items()}}


def _row(trial: FrozenTrial, names: tuple[str, ...], attempts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    last = attempts[-1] if attempts else {}
    reevaluation = Reevaluation.of(trial.system_attrs)
    row: dict[str, Any] = {
        "number": trial.number,
        "state": trial.state.name,
        **(
            {"phase": reevaluation.phase, "point": reevaluation.point, "replicate": reevaluation.replicate}
            if reevaluation
            else {}
        ),
        **{f"values_{name}": None for name in names},
        "datetime_start": utc(trial.datetime_start),
        "datetime_complete": utc(trial.datetime_complete),
        "duration_s": duration_s(trial),
        "outcome": last.get("outcome"),
        "reason": last.get("reason"),
        "worker": last.get("worker"),
        "host": last.get("host"),
        "attempts": len(attempts),
    }
    row.update({f"values_{name}": value for name, value in zip(names, trial.values or (), strict=False)})
    row.update({f"params_{name}": _cell(value) for name, value in trial.params.items()})
    row.update({f"constraints_{name}": value for name, value in trial.constraints.items()})
    row.update({f"user_attrs_{name}": _cell(value) for name, value in trial.user_attrs.items()})
    return row


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        return value
    return json.dumps(json_data(value), ensure_ascii=False)


def _ordered_columns(rows: list[dict[str, Any]]) -> list[str]:
    """Return the columns of all rows, grouped by kind, and within a kind in order of first appearance."""
    kinds = ("params_", "constraints_", "user_attrs_", "lineage_", "reused_")
    columns = dict.fromkeys(column for row in rows for column in row)
    return sorted(
        columns, key=lambda column: next((i for i, kind in enumerate(kinds, 1) if column.startswith(kind)), 0)
    )
