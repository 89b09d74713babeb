"""What people can be told about a study: one declaration for each occasion.

An occasion that is an event of the study's log needs nothing but its declaration here: whoever writes such an
event has it told. The others are noticed by `hpotool.tracking.notify.look`. `notify` in the study file, the
commands and the table in the docs follow from these declarations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ToldEvent:
    """Events of the study's log: of this kind, to this state where one is named, with a reason that begins so."""

    kind: str
    to_state: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Occasion:
    """Something that people can be told.

    Attributes:
        name: how the study file calls it
        meaning: when it is told
        title: the notice's first line; ``{study}`` stands for the study's name
        event: what it is in the study's log; None where it has to be noticed
    """

    name: str
    meaning: str
    title: str
    event: ToldEvent | None = None


_ALL = (
    Occasion("done", "the study has reached its budget, or another of its limits", "{study} is done"),
    Occasion(
        "stopped", "somebody stopped the study", "{study} was stopped", ToldEvent("state", to_state="stopped")
    ),
    Occasion(
        "idle", "there is work left, and no worker was heard from for a grace period", "nobody works on {study}"
    ),
    Occasion(
        "breaker",
        "a worker left because everything failed on it and on no other",
        "a worker of {study} gave up",
        ToldEvent("worker", to_state="ended", reason="circuit breaker"),
    ),
    Occasion(
        "quarantine",
        "a host or GPU takes no more trials, because it fails what succeeds elsewhere",
        "a part of {study}'s fleet is in quarantine",
        ToldEvent("quarantine", to_state="quarantined"),
    ),
    Occasion(
        "device",
        "a worker leaves a GPU alone, because the GPU has errors",
        "a GPU of {study} has errors",
        ToldEvent("device", to_state="failed"),
    ),
    Occasion(
        "failures", "at least half of the last ten attempts failed; at most once an hour", "{study} keeps failing"
    ),
    Occasion(
        "best",
        "a trial is better than all before it, in a study of one metric; at most once in `best_every`",
        "{study} has a new best trial",
    ),
    Occasion("confirmed", "a point was confirmed", "a point of {study} is confirmed", ToldEvent("confirmed")),
    Occasion(
        "drift",
        "a worker has other code or data than the study",
        "code or data of {study} differ",
        ToldEvent("drift"),
    ),
)
OCCASIONS: Mapping[str, Occasion] = {occasion.name: occasion for occasion in _ALL}
