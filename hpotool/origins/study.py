"""The code and data that a study is created with, from the machine that creates it."""

from __future__ import annotations

from hpotool.origins.code import read_code
from hpotool.origins.origin import make_reader
from hpotool.storage.control.creation import find_study_id
from hpotool.storage.database.connection import Connection
from hpotool.storage.fleet.origins import record_origin
from hpotool.study.origins.content import Part
from hpotool.study.origins.differences import say_other_code, say_other_data
from hpotool.study.spec import StudySpec


def read_here(spec: StudySpec) -> list[Part]:
    """The code of the study, and its data where it names any, as they lie on this machine."""
    reader = make_reader(spec)
    data = reader.read()
    return [read_code(spec.objective, reader.local_paths()), *([] if data is None else [data])]


def remember_origin(
    connection: Connection, spec: StudySpec, here: list[Part] | None = None, *, anew: bool = False
) -> list[str]:
    """Give a study the code and data of this machine, unless it has some; return how these differ from them.

    Data that is not on this machine stays open: the study takes that of its first worker. ``anew``: its settings
    have changed, and with them it takes the code and data of this machine.
    """
    parts = read_here(spec) if here is None else here
    study = record_origin(connection.run, find_study_id(connection, spec.name), parts, anew=anew)
    contents = {part.kind: part.content for part in parts}
    if anew:
        return []
    return [
        *say_other_data(study.get("data", {}), contents.get("data", {})),
        *(say_other_code(study["code"], contents["code"]) if "code" in study else []),
    ]
