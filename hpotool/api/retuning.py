"""Creating a study again, under a dated name, when what it depends on has changed since the last one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Literal

from hpotool.analysis.exports.transfer import find_points_to_transfer
from hpotool.errors import InputError
from hpotool.origins.study import read_here, remember_origin
from hpotool.storage.control.creation import create_or_resume, find_study_id, read_spec_if_any
from hpotool.storage.control.queueing import enqueue_points, known_space
from hpotool.storage.control.studies import has_replicates, list_studies, read_progress
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.schema import ensure_schema
from hpotool.storage.fleet.origins import read_study_origin
from hpotool.storage.open import open_storage
from hpotool.study.file.grammar.values import check_study_name
from hpotool.study.file.resolved import to_document
from hpotool.study.origins.content import Kind, Part
from hpotool.study.origins.differences import say_other_code, say_other_data
from hpotool.study.rules.dated_names import newest_of, next_name
from hpotool.study.spec import StudySpec
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    from optuna import Study

Watched = Literal["data", "code", "space"]
_WARM_START = 5  # points, as `hpotool enqueue --from-study` takes


@dataclass(frozen=True)
class Retuning:
    """What came of it.

    Attributes:
        study: the study to work on: a new one, or the last one, if it is not done; None: nothing is to be done.
        previous: the last study before; None: there was none.
        changed: of what has changed, how, in a sentence.
        queued: how many points of the previous study the new one tries first.
    """

    study: str | None
    previous: str | None
    is_new: bool = False
    changed: Mapping[str, str] = field(default_factory=dict)
    queued: int = 0

    @property
    def sentence(self) -> str:
        """What was done, and why."""
        if self.is_new and self.previous is None:
            return f"created study {self.study!r}, the first of its name"
        if self.is_new:
            why = "; ".join(f"{what}: {how}" for what, how in self.changed.items())
            return (
                f"created study {self.study!r}, with {count_of(self.queued, 'point')} of {self.previous!r}: {why}"
            )
        if self.study is not None:
            return f"nothing changed since study {self.previous!r}, which is not done yet"
        return f"nothing changed since study {self.previous!r}"


def create_if_changed(
    connection: Connection, spec: StudySpec, watched: Sequence[Watched], actor: str, today: date
) -> Retuning:
    """Create the study under a dated name if one of ``watched`` is not as in the last study of its name.

    Raises:
        InputError: something that is watched cannot be read here, or the dated name is too long.
        DatabaseUnreachableError: the database does not answer.
    """
    here = {part.kind: part for part in read_here(spec)}
    _refuse_unknown(spec, here, watched)
    ensure_schema(connection.url)
    summaries = {summary.name: summary for summary in list_studies(connection)}
    previous = newest_of(spec.name, summaries)
    changed = {} if previous is None else _find_changes(connection, previous, spec, here, watched)
    if previous is not None and not changed:
        is_over = read_progress(connection, summaries[previous]).state in ("done", "stopped")
        return Retuning(None if is_over else previous, previous)
    named = replace(spec, name=_checked(next_name(spec.name, today, summaries)))
    created = create_or_resume(connection, named, actor)
    remember_origin(connection, created.spec, list(here.values()))
    queued = _warm_start(connection, named.name, previous, actor) if created.is_new and previous else 0
    return Retuning(named.name, previous, created.is_new, changed, queued)


def _checked(name: str) -> str:
    try:
        return check_study_name(name)
    except ValueError as error:
        raise InputError(f"with its date, {error}", "shorten the study's name in its file") from None


def _refuse_unknown(spec: StudySpec, here: Mapping[Kind, Part], watched: Sequence[Watched]) -> None:
    """Whether something has changed cannot be said of what cannot be read."""
    if "data" in watched and not spec.data:
        raise InputError("the study file names no data that could change", "add it: data: [data/train]")
    if "data" in watched and here["data"].missing:
        troubles = [f"{path}: {here['data'].content[path]['trouble']}" for path in here["data"].missing]
        raise InputError(
            "\n".join(["whether the data has changed cannot be told here", *troubles]),
            "run this where the data can be read",
        )
    if "code" in watched and not here["code"].content["files"]:
        raise InputError("the objective's code is not found from here", "run this in the folder of the code")


def _find_changes(
    connection: Connection, previous: str, spec: StudySpec, here: Mapping[Kind, Part], watched: Sequence[Watched]
) -> dict[str, str]:
    stored = read_study_origin(connection.run, find_study_id(connection, previous))
    found: dict[str, str] = {}
    if "data" in watched and stored.hashes.get("data") != here["data"].hash:
        was = stored.contents.get("data")
        said = [] if was is None else say_other_data(was, here["data"].content)
        found["data"] = "; ".join(said) or "the study file names other data, or what it was is not known"
    if "code" in watched and stored.hashes.get("code") != here["code"].hash:
        was = stored.contents.get("code")
        said = [] if was is None else say_other_code(was, here["code"].content)
        found["code"] = "; ".join(said) or "what it was is not known"
    if "space" in watched:
        before = read_spec_if_any(connection, previous)
        if before is None or to_document(before)["search_space"] != to_document(spec)["search_space"]:
            found["space"] = "the search space is another one"
    return found


def _warm_start(connection: Connection, name: str, previous: str, actor: str) -> int:
    """Queue points of the previous study, as `hpotool enqueue --from-study` does; return how many."""
    source, target = (_load(connection, study) for study in (previous, name))
    replicates = has_replicates(connection, previous)
    space = known_space(connection, target._study_id)
    found = find_points_to_transfer(source, target, space, _WARM_START, replicates=replicates)
    if not found.points:
        return 0
    numbers, _ = enqueue_points(connection, name, found.points, actor)
    return len(numbers)


def _load(connection: Connection, name: str) -> Study:
    import optuna

    return optuna.load_study(study_name=name, storage=open_storage(connection.url.sqlalchemy))
