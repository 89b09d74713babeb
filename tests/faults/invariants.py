"""What holds after any fault, once the study is done. Each check is one of the guarantees."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from hpotool.storage.database.connection import Connection
from hpotool.study.outcome import COUNTED

RETRY_LIMITS = {outcome.value: limit for outcome, limit in COUNTED.items()}

_TRIALS = """
SELECT t.number, t.state::text,
    (SELECT value FROM trial_values v WHERE v.trial_id = t.trial_id),
    COALESCE((SELECT value_json::integer FROM trial_system_attributes a
              WHERE a.trial_id = t.trial_id AND key = 'failed_trial'), t.number) AS root,
    (SELECT count(*) FROM trial_values v WHERE v.trial_id = t.trial_id),
    EXISTS (SELECT FROM hpotool.retries r WHERE r.previous_trial_id = t.trial_id),
    EXISTS (SELECT FROM trial_system_attributes a
            WHERE a.trial_id = t.trial_id AND key = 'hpotool:taken_from') AS is_taken_over
FROM trials t ORDER BY t.number
"""
_TAKEN_OVER = "SELECT COALESCE(sum(imported_trials), 0) FROM hpotool.study_settings"
_ATTEMPTS = "SELECT number, root_number, outcome, ended_at IS NOT NULL, cancel_reason FROM hpotool.attempts"


def violations(
    connection: Connection, budget: int, folder: Path, marker: str, *, is_value_safe: bool
) -> list[str]:
    """Every sentence is something that must not be; an empty list is what the tests want to see.

    ``is_value_safe``: no attempt's process died in the instant between noting here that it returns and putting
    that on disk. One that did has its trial run again.
    """
    trials = connection.run(_TRIALS)
    attempts = connection.run(_ATTEMPTS)
    [(taken_over,)] = connection.run(_TAKEN_OVER)
    return [
        *_budget_is_exact(trials, budget, taken_over),
        *_nothing_is_left_open(trials, attempts),
        *_retries_are_exact(trials, attempts),
        *_one_result_per_lineage(trials),
        *_no_returned_value_is_missing(trials, folder, is_value_safe=is_value_safe),
        *_no_process_is_left(marker),
    ]


def _budget_is_exact(trials: list[Any], budget: int, taken_over: int) -> list[str]:
    finished = sum(state in ("COMPLETE", "PRUNED") and not is_taken for _, state, *_, is_taken in trials)
    taken = sum(is_taken for *_, is_taken in trials)
    found = [] if finished == budget else [f"G1: {finished} trials are finished, not {budget}"]
    return (
        found if taken == taken_over else [*found, f"G1: {taken} trials are taken over, {taken_over} counted so"]
    )


def _nothing_is_left_open(trials: list[Any], attempts: list[Any]) -> list[str]:
    numbers = [number for number, *_ in trials]
    found = [
        f"G3: trial {number} is still {state}" for number, state, *_ in trials if state in ("RUNNING", "WAITING")
    ]
    found += [f"G3: an attempt of trial {number} never ended" for number, _, _, ended, _ in attempts if not ended]
    if numbers != list(range(len(numbers))):
        found.append(f"the numbers are not dense: {numbers}")
    return found


def _retries_are_exact(trials: list[Any], attempts: list[Any]) -> list[str]:
    found = []
    outcomes = Counter((root, outcome) for _, root, outcome, _, _ in attempts)
    for (root, outcome), count in outcomes.items():
        limit = RETRY_LIMITS.get(outcome)
        if limit is not None and count > limit + 1:
            found.append(f"G3: trial {root} ended {outcome} {count} times, its limit of retries is {limit}")
    succeeded = {number for number, *_, has_retry, _ in trials if has_retry}
    for number, root, outcome, _, _ in attempts:
        earlier = sum(1 for n, r, o, _, _ in attempts if r == root and o == outcome and n < number)
        wants_retry = outcome == "preempted" or earlier < RETRY_LIMITS.get(outcome, 0)
        if wants_retry and number not in succeeded:
            found.append(f"G3: trial {number} ended {outcome} and was never tried again")
    return found


def _one_result_per_lineage(trials: list[Any]) -> list[str]:
    complete = Counter(root for _, state, _, root, *_ in trials if state == "COMPLETE")
    found = [f"G4: trial {root} has {count} results" for root, count in complete.items() if count > 1]
    return found + [f"G4: trial {number} has {count} values" for number, _, _, _, count, *_ in trials if count > 1]


def _no_returned_value_is_missing(trials: list[Any], folder: Path, *, is_value_safe: bool) -> list[str]:
    roots = {number: root for number, _, _, root, *_ in trials}
    kept = {root: value for _, state, value, root, *_ in trials if state == "COMPLETE"}
    returned = folder / "returned"
    lines = [line.split() for line in returned.read_text().splitlines()] if returned.exists() else []
    return [
        f"G2: trial {number} returned {value}, which is nowhere"
        for number, value in lines
        for root in [roots[int(number)]]
        if root not in kept or (is_value_safe and kept[root] != float(value))
    ]


def _no_process_is_left(marker: str) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and marker in process.environ().values():
                found.append(f"G7: process {process.pid} is left: {' '.join(process.cmdline())[:120]}")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
