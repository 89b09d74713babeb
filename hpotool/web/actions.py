"""What the buttons do: the same calls as the commands, with the logged-in person as the actor of the events."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hpotool.errors import InputError, NotFoundError
from hpotool.storage.control import orders
from hpotool.storage.control.creation import change_spec
from hpotool.storage.control.keeping import read_note, write_note
from hpotool.storage.database.schema import ensure_schema
from hpotool.storage.fleet.attempts import StudyState
from hpotool.study.doors import one_line, storable, visible
from hpotool.study.file.reader import change_tags
from hpotool.web.source import Source

_LONGEST_NOTE = 100_000  # characters
_STATES: Mapping[str, tuple[StudyState, str]] = {
    "pause": ("paused", "running trials finish, and no new ones start"),
    "resume": ("running", "start any workers that have left"),
    "drain": ("draining", "each worker leaves after its trial"),
    "stop": ("stopped", "workers requeue their trials and leave"),
}


@dataclass(frozen=True)
class Wanted:
    """One press of a button: on a study or one of its trials, by whom, with the form's fields."""

    study_id: int
    number: int | None
    fields: Mapping[str, str]
    actor: str

    @property
    def reason(self) -> str:
        """The reason that the person gave, as one line."""
        return one_line(self.fields.get("reason", ""))


def actor_of(user: str) -> str:
    """Return how the event log names a person who pressed a button."""
    return f"{one_line(visible(user), 80)}@dashboard"


def fingerprint_of(note: str) -> str:
    """Return what changes with a note, so that nobody overwrites one that they have not seen."""
    return hashlib.sha256(note.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Actions:
    """The actions on studies and trials. Each returns a sentence that says what happened."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._of_study: dict[str, Callable[[Wanted, str], str]] = {
            **dict.fromkeys(_STATES, self._move),
            "note": self._note,
            "tag": self._tag,
        }
        self._of_trial: dict[str, Callable[[Wanted, str], str]] = {
            "stop": self._stop_trial,
            "retry": self._retry,
            "note": self._note,
        }

    def act(self, action: str, wanted: Wanted) -> str:
        """Do it, and return what happened.

        Raises:
            NotFoundError: there is no such action, study or trial.
            InputError: it cannot be done; nothing was changed.
        """
        known = self._of_study if wanted.number is None else self._of_trial
        if action not in known:
            raise NotFoundError(f"there is no action {action!r} here", f"known: {', '.join(known)}")
        self._source.name_of(wanted.study_id)
        ensure_schema(self._source.connection.url)
        orders.adopt_study(self._source.connection.run, wanted.study_id)
        try:
            return known[action](wanted, action)
        finally:
            self._source.forget(wanted.study_id)

    def _move(self, wanted: Wanted, action: str) -> str:
        state, meaning = _STATES[action]
        run = self._source.connection.run
        kept = orders.set_state(run, wanted.study_id, state, wanted.reason, wanted.actor)
        name = self._source.name_of(wanted.study_id)
        return f"{name} is {state}: {meaning}" if kept is None else f"{name} is already {kept}"

    def _stop_trial(self, wanted: Wanted, action: str) -> str:
        number = _number(wanted)
        reason = wanted.reason or "cancelled on request"
        came = orders.cancel_trial(self._source.connection.run, wanted.study_id, number, reason, wanted.actor)
        asked = f"trial {number} is asked to stop: its worker learns of it within 5 s"
        return f"trial {number} is cancelled" if came == "failed" else asked

    def _retry(self, wanted: Wanted, action: str) -> str:
        number = _number(wanted)
        new = orders.retry_trial(self._source.connection.run, wanted.study_id, number, wanted.actor)
        return f"trial {number} is queued again, as trial {new}"

    def _note(self, wanted: Wanted, action: str) -> str:
        connection = self._source.connection
        text = storable(wanted.fields.get("text", "").replace("\r\n", "\n")).strip()
        if len(text) > _LONGEST_NOTE:
            raise InputError(
                f"the note has {len(text)} characters; at most {_LONGEST_NOTE} are allowed",
                "put the text into a file, and write in the note where that is",
            )
        before = read_note(connection, wanted.study_id, wanted.number)
        if wanted.fields.get("seen") != fingerprint_of(before):
            raise InputError("somebody has changed the note meanwhile", "copy yours, reload the page, and add it")
        write_note(connection, wanted.study_id, text, wanted.number, actor=wanted.actor)
        return "the note is saved" if text else "the note is removed"

    def _tag(self, wanted: Wanted, action: str) -> str:
        key, value = wanted.fields.get("key", "").strip(), wanted.fields.get("value", "").strip()
        if not key or "=" in key:
            raise InputError("a tag needs a name without '='", "like owner")
        name = self._source.name_of(wanted.study_id)
        change_spec(
            self._source.connection, name, lambda spec: change_tags(spec, [f"{key}={value}"]), wanted.actor
        )
        return f"the tag {key} is {value}" if value else f"the tag {key} is removed"


def _number(wanted: Wanted) -> int:
    if wanted.number is None:
        raise NotFoundError("no trial is given", "press the button on the page of the trial")
    return wanted.number
