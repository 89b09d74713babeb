"""What holds after any fault, once the study is done: `hpotool.drill.invariants`, on a test's study."""

from __future__ import annotations

from pathlib import Path

from hpotool.drill.invariants import Facts, judge
from hpotool.drill.processes import left_behind, read_returned
from hpotool.storage.database.connection import Connection
from hpotool.storage.monitoring.evidence import read_evidence


def violations(
    connection: Connection, budget: int, folder: Path, marker: str, *, is_value_safe: bool
) -> list[str]:
    """Every sentence is something that must not be; an empty list is what the tests want to see.

    ``is_value_safe``: no attempt's process died in the instant between noting here that it returns and putting
    that on disk. One that did has its trial run again.
    """
    [(study_id,)] = connection.run("SELECT study_id FROM studies")
    facts = Facts(
        budget,
        read_evidence(connection.run, study_id),
        read_returned(folder / "returned"),
        is_value_safe=is_value_safe,
        processes=left_behind(marker),
    )
    return [f"{each.invariant.guarantee}: {sentence}" for each in judge(facts) for sentence in each.violations]
