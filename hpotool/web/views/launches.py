"""The page of launches: what their schedulers say, and why a worker is not here, as in `hpotool workers`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpotool.analysis.pace import GONE_AFTER_S
from hpotool.api.fleet import Fleet, Row, fleet_rows
from hpotool.settings import read_pulse
from hpotool.storage.control.launches import Launch, list_fleet, list_launches
from hpotool.storage.control.overviews import OpenLaunch, list_open_launches
from hpotool.study.wording import format_elapsed
from hpotool.web.schedulers import Answer, Schedulers
from hpotool.web.source import Source

_MOST_PLACES = 200
_FIRST = ("unknown", "gone", "silent", "pending", "starting", "left")  # those that somebody may have to act on


@dataclass(frozen=True)
class Place:
    """A worker that does not work, or a place where one should be."""

    study_id: int
    study: str
    row: Row


def show_launches(source: Source, schedulers: Schedulers) -> dict[str, Any]:
    """Return what the page shows: every open launch, and the places whose worker is not at work."""
    opened = list_open_launches(source.connection, GONE_AFTER_S)
    launches = _read_launches(source, opened)
    answers = schedulers.look(list(launches.values()))
    studies = {one.study_id: one.study for one in opened}
    shown: dict[str, dict[str, Any]] = {}
    places: list[Place] = []
    for study_id, study in studies.items():
        own = [launches[one.launch] for one in opened if one.study_id == study_id and one.launch in launches]
        fleet = _read_fleet(source, study_id, own, answers)
        shown |= {one["launch"]: one for one in fleet.launches_as_data()}
        places += [Place(study_id, study, row) for row in fleet.rows if row.launch and row.state != "alive"]
    places.sort(key=lambda place: _FIRST.index(place.row.state))
    return {
        "launches": [
            (one, shown[one.launch], say_answer(answers[one.launch])) for one in opened if one.launch in shown
        ],
        "places": places[:_MOST_PLACES],
        "hidden": max(0, len(places) - _MOST_PLACES),
        "nobody": _say_nobody(list(answers.values())),
    }


def say_answer(answer: Answer) -> str:
    """Return how old an answer is, or how long it has been waited for."""
    parts = [] if answer.age_s is None else [f"asked {format_elapsed(answer.age_s)} ago"]
    if answer.asking_s is not None and (not parts or answer.asking_s > 1):
        parts.append(f"{'no answer' if parts else 'asked, and no answer'} for {format_elapsed(answer.asking_s)}")
    return "; ".join(parts)


def _say_nobody(answers: Sequence[Answer]) -> str:
    """Return what it means that no place is listed."""
    if any(answer.at is None for answer in answers):
        return "not known yet"
    if any(isinstance(answer.jobs, str) for answer in answers):
        return "not known of launches whose system does not answer"
    return "everybody is at work, or has left long ago"


def _read_launches(source: Source, opened: Sequence[OpenLaunch]) -> dict[str, Launch]:
    """Return the open launches with what is stored of them."""
    names = {one.launch for one in opened}
    return {launch.launch_id: launch for launch in _list_launches(source, opened) if launch.launch_id in names}


def _list_launches(source: Source, opened: Sequence[OpenLaunch]) -> Iterator[Launch]:
    for study_id in dict.fromkeys(one.study_id for one in opened):
        yield from list_launches(source.connection.run, study_id)


def _read_fleet(source: Source, study_id: int, launches: Sequence[Launch], answers: Mapping[str, Answer]) -> Fleet:
    """Return the workers of these launches; of one whose system has not answered, those that are registered."""
    names = {launch.launch_id for launch in launches}
    workers = [one for one in list_fleet(source.connection.run, study_id) if one.launch_id in names]
    known = {name: answers[name].jobs for name in names}
    jobs = {name: "" if found is None else found for name, found in known.items()}
    errors = {name: found for name, found in known.items() if isinstance(found, str)}
    return Fleet(fleet_rows(workers, launches, jobs, read_pulse()), launches, errors)
