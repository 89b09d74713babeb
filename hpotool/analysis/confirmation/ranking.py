"""The best trials of a study as far as they were confirmed: those first, by what was measured again."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from hpotool.analysis.best import find_best
from hpotool.analysis.candidates import BestTrials, Confirmed
from hpotool.analysis.confirmation.answer import ConfirmationAnswer, ConfirmedPoint, answer
from hpotool.analysis.confirmation.origins import differs_data, read_confirmed_origins
from hpotool.analysis.pareto import find_pareto_front
from hpotool.analysis.results import TrialResult, complete_trials
from hpotool.storage.control.confirmations import read_confirmation
from hpotool.storage.control.studies import has_table, list_studies
from hpotool.study.rules.replicates import point_key

if TYPE_CHECKING:
    from optuna import Study

    from hpotool.storage.database.connection import Connection


def read_answer(connection: Connection, study_id: int, name: str) -> ConfirmationAnswer | None:
    """Return what was confirmed, and what it came from; ``None`` where nothing was asked for."""
    if not has_table(connection, "hpotool.study_settings"):
        return None
    found = read_confirmation(connection.run, study_id)
    if found is None:
        return None
    metrics = list_studies(connection, name)[0].metrics
    origins = read_confirmed_origins(connection, study_id, found.order, found.replicates)
    return answer(found.order, found.replicates, metrics, origins)


def read_confirmed(connection: Connection, study: Study) -> ConfirmationAnswer | None:
    """Return what was confirmed of the study; ``None`` where nothing was asked for."""
    return read_answer(connection, study._study_id, study.study_name)


def find_confirmed_best(
    study: Study, confirmed: ConfirmationAnswer | None, count: int = 1, *, replicates: bool = False
) -> BestTrials:
    """Return the best feasible trials of one metric, or the Pareto front of several.

    Trials whose points were measured again come first, in the order of the answer; then the others, by what the
    search saw. A point that turned out to break a constraint is none of the best.
    """
    if confirmed is None:
        return find_best(study, count, replicates=replicates)
    found = find_best(study, len(complete_trials(study)) or 1, replicates=replicates)
    ranked = _confirmed_first(found, confirmed)
    return ranked if len(study.directions) > 1 else replace(ranked, trials=ranked.trials[:count])


def find_confirmed_front(
    study: Study, confirmed: ConfirmationAnswer | None, *, replicates: bool = False
) -> BestTrials:
    """Return the Pareto front of the search, the trials that were confirmed first."""
    found = find_pareto_front(study, replicates=replicates)
    return found if confirmed is None else _confirmed_first(found, confirmed)


def _confirmed_first(found: BestTrials, confirmed: ConfirmationAnswer) -> BestTrials:
    measured = {point.point.key: place for place, point in enumerate(confirmed.points) if point.mean}
    places: dict[int, int] = {}
    taken: set[int] = set()
    for trial in found.trials:
        place = measured.get(point_key(trial.params))
        if place is not None and place not in taken:  # of trials of one point the first stands for it
            taken.add(place)
            places[trial.number] = place
    able = [trial for trial in found.trials if _is_able(trial, places, confirmed)]
    able.sort(key=lambda trial: places.get(trial.number, math.inf))
    values = {number: _as_confirmed(confirmed.points[place]) for number, place in places.items()}
    differs = differs_data(confirmed.origins.differs)
    return replace(found, trials=tuple(able), confirmed=values, differs=differs)


def _is_able(trial: TrialResult, places: dict[int, int], confirmed: ConfirmationAnswer) -> bool:
    place = places.get(trial.number)
    return place is None or confirmed.points[place].is_feasible


def _as_confirmed(point: ConfirmedPoint) -> Confirmed:
    return Confirmed(point.measured, point.mean, point.standard_error, point.probability_best)
