"""What an attempt is for: the search, the confirmation of a point, or the final training.

A trial of the other two phases is a re-evaluation: it runs a point that is chosen already. Samplers, pruners and
the budget do not see it. A system attribute marks each, which its retries inherit. The database's own names for
them (``apart_from_id``, ``count_apart``) are older.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Phase = Literal["search", "confirm", "final"]

PHASE_ATTRIBUTE = "hpotool:phase"
# A user attribute with the same news for people, who may look with Optuna's own tools.
CONFIRMS = "confirms"

# Replicates have seeds that no trial of the search can have: a trial's number is below this.
_FIRST_REPLICATE_SEED = 2**31
_FINAL_SEED = 2**32 - 1


@dataclass(frozen=True)
class Reevaluation:
    """A trial beside the search, which runs a point that is chosen already.

    Attributes:
        point: the name of the point, like ``trial 12`` or ``baseline``.
        replicate: which replicate of the point it is, from 0. The same one of two points has the same seed.
    """

    phase: Phase
    point: str
    replicate: int

    def to_attribute(self) -> dict[str, Any]:
        """The mark as JSON data."""
        return asdict(self)

    @property
    def seed_number(self) -> int:
        """What stands for the trial's number where its seed is made; all final trainings have one seed."""
        return _FINAL_SEED if self.phase == "final" else _FIRST_REPLICATE_SEED + self.replicate

    @classmethod
    def of(cls, system_attrs: Mapping[str, Any]) -> Reevaluation | None:
        """What a trial with these attributes is for; None: for the search."""
        data = system_attrs.get(PHASE_ATTRIBUTE)
        return None if data is None else cls(**data)


def is_reevaluation(system_attribute_names: Container[str]) -> bool:
    """Whether a trial with these system attributes is a re-evaluation."""
    return PHASE_ATTRIBUTE in system_attribute_names


def phase_of(reevaluation: Reevaluation | None) -> Phase:
    """What the trial is for."""
    return "search" if reevaluation is None else reevaluation.phase
