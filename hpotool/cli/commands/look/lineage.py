"""What attempts come from, drawn for `show --lineage`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hpotool.cli.output import Answer, table
from hpotool.cli.screen.tables import record
from hpotool.cli.screen.text import words
from hpotool.study.units import format_size
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hpotool.analysis.origins.lineage import Lineage

_NAMES_WIDTH = 11
_MOST_NAMED = 8


def lineage_answer(found: Lineage) -> Answer:
    """The lineage in every format."""
    data = found.as_data()
    return Answer(
        data=data,
        rows=[_row(one) for one in data["origins"]],
        value=" ".join(str(one["hashes"].get("code") or "") for one in data["origins"]).strip(),
        picture=(lambda: _draw(data)) if data["origins"] else None,
        empty="no attempt has begun since hpotool records where they come from",
    )


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **one["hashes"],
        "trials": len(one["trials"]),
        "hosts": " ".join(one["hosts"]),
        "differs": len(one["differs"]),
    }


def _draw(data: Mapping[str, Any]) -> RenderableType:
    from rich.console import Group

    drawn = [Group(*_draw_origin(one, with_trials=data["trial"] is None)) for one in data["origins"]]
    return Group(drawn[0], *(Group("", one) for one in drawn[1:]))


def _draw_origin(one: Mapping[str, Any], *, with_trials: bool) -> Iterator[RenderableType]:
    lines = {"trials": say_numbers(one["trials"])} if with_trials else {}
    lines |= {"hosts": ", ".join(one["hosts"]), **_code(one["code"]), **_environment(one["environment"])}
    yield record(lines, _NAMES_WIDTH)
    if one["data"]:
        yield ""
        yield table([{"data": path, **_entry(entry)} for path, entry in one["data"].items()])
    yield ""
    if one["differs"]:
        rows = [{"what": name, **both} for name, both in one["differs"].items()]
        yield table(rows, "what differs from the study")
    else:
        yield words("its code and data are those of the study", "dim")


def say_numbers(numbers: list[int]) -> str:
    """The first of them, and how many there are."""
    named = ", ".join(map(str, numbers[:_MOST_NAMED]))
    return named if len(numbers) <= _MOST_NAMED else f"{named}, … ({count_of(len(numbers), 'trial')})"


def _code(code: Mapping[str, Any] | None) -> dict[str, str]:
    if code is None:
        return {"code": "not recorded"}
    lines = {"code": ", ".join(f"{name} {value}" for name, value in code.get("files", {}).items()) or "unknown"}
    if code.get("commit"):
        changes = f", with uncommitted changes {code['changes']}" if code.get("changes") else ""
        lines["commit"] = f"{code['commit'][:12]}{changes}"
    return lines


def _environment(environment: Mapping[str, Any] | None) -> dict[str, str]:
    if environment is None:
        return {"environment": "not recorded"}
    named = {
        name: str(environment[name])
        for name in ("python", "platform", "cpu", "driver", "image")
        if name in environment
    }
    gpus = {"gpus": ", ".join(environment["gpus"])} if environment.get("gpus") else {}
    return {**named, **gpus, "packages": f"{len(environment.get('packages', {}))} (all with --format json)"}


def _entry(entry: Mapping[str, Any]) -> dict[str, str]:
    if "trouble" in entry:
        return {"content": entry["trouble"]}
    size = format_size(entry["bytes"]) if "bytes" in entry else ""
    files = count_of(entry["count"], "file") if "count" in entry else ""
    return {"content": entry["hash"][:16], "size": ", ".join(filter(None, (files, size)))}
