"""Finds trials of other studies that ran the same code on the same data with the same seed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import json_to_distribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpotool.storage.database.connection import Rows
from hpotool.storage.database.queries import query
from hpotool.storage.fleet.origins import OriginHashes

Run = Callable[[str, Mapping[str, Any]], Rows]

REUSED = "hpotool:reused"  # {"study", "trial"}: where the trial ran whose result this one has
_INFINITE = {"FINITE": None, "INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}


@dataclass(frozen=True)
class Candidate:
    """A complete trial of another study, whose settings are ``spec``; ``reason`` is what its attempt said."""

    study: str
    number: int
    spec: Mapping[str, Any]
    reason: str
    trial: FrozenTrial

    @property
    def origin(self) -> dict[str, Any]:
        """Where it really ran: it may have been taken over itself."""
        found: dict[str, Any] = self.trial.system_attrs.get(REUSED) or {"study": self.study, "trial": self.number}
        return found


def find_reusable(run: Run, study_id: int, seed: int, root_number: int, origin: OriginHashes) -> list[Candidate]:
    """The trials, the earliest first; one round trip."""
    rows = run(
        query("find_reusable"),
        {
            "study_id": study_id,
            "seed": seed,
            "root_number": root_number,
            "code_hash": origin.code,
            "data_hash": origin.data,
        },
    )
    return [
        Candidate(name, number, spec, reason or "", _trial(*content))
        for name, number, spec, reason, *content in rows
    ]


def _trial(
    values: Sequence[Any], params: Sequence[Any] | None, steps: Sequence[Any] | None, user: Any, system: Any
) -> FrozenTrial:
    distributions = {name: json_to_distribution(text) for name, _, text in params or ()}
    external = {name: distributions[name].to_external_repr(value) for name, value, _ in params or ()}
    return create_trial(
        state=TrialState.COMPLETE,
        values=[_number(*value) for value in values],
        params=external,
        distributions=distributions,
        user_attrs=_decode(user),
        system_attrs=_decode(system),
        intermediate_values={step: _number(value, kind) for step, value, kind in steps or ()},
    )


def _number(value: float | None, kind: str) -> float:
    special = _INFINITE[kind]
    return float(value or 0.0) if special is None else special


def _decode(attributes: Mapping[str, str] | None) -> dict[str, Any]:
    return {key: json.loads(text) for key, text in (attributes or {}).items()}
