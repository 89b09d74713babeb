"""A study's status: state, budget, trials per state, best results, pace, and workers.

Plain data for screens and programs; prints nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hpotool.analysis.candidates import BestTrials
from hpotool.analysis.confirmation.answer import ConfirmationAnswer
from hpotool.analysis.confirmation.data import answer_data
from hpotool.analysis.confirmation.ranking import find_confirmed_best, read_confirmed
from hpotool.analysis.curves.early_ranks import find_early_ranks, is_ended_early, word_risk
from hpotool.analysis.insights.failures import FailureRegion, find_failure_region
from hpotool.analysis.insights.gain import Gain, GainFollower, find_gain
from hpotool.analysis.pace import GONE_AFTER_S, Pace, find_workers, is_forsaken, measure_pace
from hpotool.analysis.results import direction_signs, json_data, metric_names, read_result, values_of_long
from hpotool.search.history import recent_trials
from hpotool.storage.control.activity import StudyActivity, read_activity
from hpotool.storage.control.creation import read_spec_if_any
from hpotool.storage.control.studies import StudyProgress, has_replicates, has_table, list_studies, read_progress
from hpotool.storage.database.connection import Connection
from hpotool.storage.fleet.origins import read_different_workers
from hpotool.storage.pools.places import Place, read_place
from hpotool.storage.pools.waiting import describe_place, is_waiting
from hpotool.study.branch import Branch
from hpotool.study.confirmation.rounds import Replicate
from hpotool.study.rules.early_ranks import EarlyRanks

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from hpotool.storage.optuna.window import Values

_LATEST = 10  # number of attempts in the data
_FOLLOWED = 1_000  # of a long study, at how many trials the best value is looked at
_STATES = ("WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL")


@dataclass(frozen=True)
class TierProgress:
    """The numbers of a tier's finished and running trials."""

    steps: int
    trials: int
    finished: int
    running: int


@dataclass(frozen=True)
class StudyStatus:
    """A study's progress and its best results so far.

    Attributes:
        activity: its failures, latest attempts, and the workers that left.
        confirmation: what was measured again, if anything was.
        best_values: with one metric, the best value after each complete trial that meets every constraint.
        failure_region: where in the search space trials fail, if that can be told.
        risk: why ending trials early is a risk in this study, if it is.
        different: the workers that see other code or data than the study has, and in words which.
        early_ranks: how well early ranks of trials predict final ones, if that can be told.
        gain: what further search may gain; only if asked for or followed, and if it can be told.
        latest_values: the values of the trials in ``activity.latest``, by number and metric. Of replicates, that
            also says which point they ``"confirms"``.
        place: what it may use of a fleet, where that is limited or shared.
    """

    progress: StudyProgress
    best: BestTrials
    tiers: tuple[TierProgress, ...] = ()
    activity: StudyActivity = field(default_factory=StudyActivity)
    confirmation: ConfirmationAnswer | None = None
    best_values: tuple[float, ...] = ()
    latest_values: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    failure_region: FailureRegion | None = None
    risk: str | None = None
    different: tuple[Mapping[str, str], ...] = ()
    early_ranks: EarlyRanks | None = None
    gain: Gain | None = None
    place: Place | None = None

    @property
    def pace(self) -> Pace:
        """The study's pace, and when it will be done."""
        return measure_pace(self.progress, self.activity)

    @property
    def workers(self) -> list[dict[str, Any]]:
        """The workers that have not left, each with its trial's step and whether it is alive, silent or gone."""
        return find_workers(self.progress, self.activity)

    @property
    def is_over(self) -> bool:
        """Whether the study is over: it is done or stopped, and no trial is running."""
        summary, state = self.progress.summary, self.progress.state
        is_running = summary.trials.get("RUNNING", 0) + summary.reevaluations.get("RUNNING", 0) > 0
        is_confirming = state == "done" and self.confirmation is not None and self.confirmation.is_open
        return state in ("done", "stopped") and not is_running and not is_confirming

    @property
    def is_forsaken(self) -> bool:
        """Whether the study is running but has no workers."""
        return is_forsaken(self.progress)

    @property
    def failed_for_good(self) -> int:
        """The number of trials that failed and were not retried."""
        again = self.activity.tried_again + self.activity.handed_back
        return max(0, self.progress.summary.trials.get("FAIL", 0) - again)

    @property
    def queued_beyond_budget(self) -> int:
        """The number of waiting trials beyond the budget."""
        waiting = self.progress.summary.trials.get("WAITING", 0)
        if self.progress.budget_trials is None:
            return 0
        running = self.progress.summary.trials.get("RUNNING", 0)
        return max(0, waiting - max(0, self.progress.budget_trials - self.progress.finished - running))

    def as_data(self) -> dict[str, Any]:
        """Return the status as JSON data."""
        counts = self.progress.summary.trials
        return {
            "study": self.progress.summary.name,
            "state": self.progress.state,
            "reason": self.progress.reason,
            "metrics": dict(self.progress.summary.metrics),
            "trials": {state: counts[state] for state in _STATES if state in counts},
            "budget": {
                "trials": self.progress.budget_trials,
                "finished": self.progress.finished,
                "taken_over": self.progress.taken_over,
                "queued_beyond": self.queued_beyond_budget,
            },
            "best": [trial.as_data() for trial in self.best.trials],
            **({"confirmation": answer_data(self.confirmation)} if self.confirmation else {}),
            **({"tiers": [vars(tier) for tier in self.tiers]} if self.tiers else {}),
            **({"place": _place_data(self.place)} if self.place else {}),
            "warning": self.progress.warning,
            **({"risk": self.risk} if self.risk else {}),
            **({"drift": [dict(worker) for worker in self.different]} if self.different else {}),
            **({"early_ranks": self.early_ranks.as_data()} if self.early_ranks else {}),
            **({"regret": self.gain.as_data()} if self.gain else {}),
            "workers": [json_data(worker) for worker in self.workers],
            "is_forsaken": self.is_forsaken,
            "departed": [dict(worker) for worker in self.activity.departed],
            "failures": [dict(failure) for failure in self.activity.failures],
            "failure_region": self.failure_region.as_data() if self.failure_region else None,
            "latest": [
                {**attempt, "values": json_data(self.latest_values.get(attempt["trial"], {}))}
                for attempt in self.activity.latest[:_LATEST]
            ],
            "pace": asdict(self.pace),
        }


def read_status(
    connection: Connection, study: Study, *, looks_ahead: bool = False, follower: GainFollower | None = None
) -> StudyStatus:
    """Return the study's progress, counted in the database, and its best finished trials.

    Args:
        looks_ahead: also find what further search may gain and, in a study without a pruner, whether one would be
            safe. That takes a few tenths of a second, too long for a screen that follows a study.
        follower: of such a screen; gives what further search may gain as far as it is known.
    """
    summary = list_studies(connection, study.study_name)[0]
    replicates = has_replicates(connection, study.study_name)
    progress = read_progress(connection, summary)
    activity = read_activity(connection, study.study_name)
    trials = study.get_trials(deepcopy=False) if progress.tiers else recent_trials(study)
    names = metric_names(study)
    confirmed = read_confirmed(connection, study)
    replicated = {one.number: one for one in confirmed.replicates} if confirmed else {}
    activity = replace(activity, latest=tuple(_with_point(one, replicated) for one in activity.latest))
    recent = {attempt["trial"] for attempt in activity.latest}
    ends_early = is_ended_early(progress.pruner, tiers=bool(progress.tiers))
    ranks = find_early_ranks(study, has_tiers=bool(progress.tiers)) if ends_early or looks_ahead else None
    gain = follower.look(study, summary.trials, activity.cost_s) if follower else None
    if looks_ahead:
        gain = find_gain(study, read_spec_if_any(connection, study.study_name), activity.cost_s)
    return StudyStatus(
        progress,
        find_confirmed_best(study, confirmed, replicates=replicates),
        _count_tiers(progress.tiers, trials),
        activity,
        confirmed,
        _follow_best_of(study, trials),
        {trial.number: read_result(trial, names).values for trial in trials if trial.number in recent}
        | {number: _values_of(replicated[number], names) for number in recent & replicated.keys()},
        find_failure_region(trials),
        word_risk(ranks, progress.pruner, tiers=bool(progress.tiers)) if ends_early else None,
        tuple(_find_different_workers(connection, study)),
        ranks,
        gain,
        _read_place(connection, study.study_name),
    )


def _with_point(attempt: Mapping[str, Any], replicated: Mapping[int, Replicate]) -> Mapping[str, Any]:
    """The attempt and, if it belongs to a replicate, the point that this confirms."""
    found = replicated.get(attempt["trial"])
    return attempt if found is None else {**attempt, "confirms": found.reevaluation.point}


def _values_of(replicate: Replicate, names: Sequence[str]) -> dict[str, float]:
    return dict(zip(names, replicate.measured.values, strict=False)) if replicate.measured else {}


def _find_different_workers(connection: Connection, study: Study) -> list[dict[str, str]]:
    """The workers with other code or data; a database of an older hpotool knows none."""
    if not has_table(connection, "hpotool.origins"):
        return []
    return read_different_workers(connection.run, study._study_id)


def _read_place(connection: Connection, study: str) -> Place | None:
    """The study's place, if anything about it is limited or shared."""
    place = read_place(connection.run, GONE_AFTER_S, study)
    return place if place and (place.pool or place.owner or place.max_running) else None


def _place_data(place: Place) -> dict[str, Any]:
    return {
        "pool": place.pool or None,
        "priority": place.priority,
        "weight": place.weight,
        "max_running": place.max_running,
        "owner": place.owner,
        "waits": describe_place(place) if is_waiting(place) else None,
    }


def _follow_best_of(study: Study, trials: Sequence[FrozenTrial]) -> tuple[float, ...]:
    """The best value after each complete, feasible trial; of a long study, after some of them."""
    signs = direction_signs(study)
    values = values_of_long(study) if len(signs) == 1 else None
    return _follow_best(trials, signs) if values is None else _follow_long(values, signs[0])


def _follow_best(trials: Sequence[FrozenTrial], signs: Sequence[float]) -> tuple[float, ...]:
    """The best value after each complete, feasible trial of a study with one metric."""
    if len(signs) != 1:
        return ()
    found: list[float] = []
    for trial in trials:
        if trial.state.name == "COMPLETE" and all(violation <= 0 for violation in trial.constraints.values()):
            value = trial.values[0]
            found.append(min(value, found[-1], key=lambda one: signs[0] * one) if found else value)
    return tuple(found)


def _follow_long(values: Values, sign: float) -> tuple[float, ...]:
    import numpy as np

    followed = sign * np.minimum.accumulate(sign * values.values[values.is_feasible, 0])
    places = np.linspace(0, len(followed) - 1, min(len(followed), _FOLLOWED)).astype(int)
    return tuple(followed[places].tolist())


def _count_tiers(tiers: Sequence[Mapping[str, int]], trials: Sequence[FrozenTrial]) -> tuple[TierProgress, ...]:
    if not tiers:
        return ()
    branches = [(trial.state.name, Branch.of(trial.system_attrs)) for trial in trials]
    counts = Counter(((branch.tier if branch else 0), state) for state, branch in branches)
    return tuple(
        TierProgress(
            steps=tier["steps"],
            trials=tier["trials"],
            finished=counts[number, "COMPLETE"] + counts[number, "PRUNED"],
            running=counts[number, "RUNNING"],
        )
        for number, tier in enumerate(tiers)
    )
