"""``hpotool budget``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, say, show
from hpotool.errors import paste

if TYPE_CHECKING:
    from hpotool.storage.database.connection import Connection
    from hpotool.study.rules.budget import ReachedLimit, Usage
    from hpotool.study.rules.regret import Regret
    from hpotool.study.spec import StudySpec


def _limit(name: str, metavar: str, help: str) -> Any:
    return typer.Option(name, metavar=metavar, help=help, show_default=False)


def budget(
    study: StudyOption = None,
    trials: Annotated[str | None, _limit("--trials", "N", "Number of trials to finish; +10 adds ten.")] = None,
    wall: Annotated[str | None, _limit("--wall", "12h", "Time since the first attempt.")] = None,
    gpu_hours: Annotated[str | None, _limit("--gpu-hours", "H", "GPU-hours that attempts have used.")] = None,
    cost: Annotated[str | None, _limit("--cost", "C", "Total cost, in the currency of --price.")] = None,
    price: Annotated[
        list[str] | None,
        _limit(
            "--price", "DEVICE=C", "Price per hour of GPUs with this in their name, as in H100=2.5, or cpu=0.05."
        ),
    ] = None,
    target: Annotated[str | None, _limit("--target", "X", "Stop at this value; {metric: X} with several.")] = None,
    patience: Annotated[
        str | None, _limit("--patience", "N", "Stop after this many finished trials without improvement.")
    ] = None,
    regret: Annotated[
        str | None,
        _limit("--regret", "X", "Stop when further search can hardly gain more than this, in the metric's units."),
    ] = None,
    failed: Annotated[str | None, _limit("--failed", "N", "Stop after this many failed trials.")] = None,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show or change a study's limits: +10 adds ten to a limit, none removes it.

    A finished study continues when a limit is raised; workers that have left must be started again.
    """
    from hpotool.cli.database import connect, identify_study, say_if_nobody_works
    from hpotool.storage.control.creation import read_spec

    given = {"trials": trials, "wall": wall, "gpu_hours": gpu_hours, "cost": cost, "target": target}
    given |= {"patience": patience, "regret": regret, "failed": failed}
    changes = {key: value for key, value in given.items() if value is not None}
    connection = connect(storage)
    study_id, name = identify_study(connection, study)
    _, spec = read_spec(connection, name)
    if changes or price:
        spec = _change(connection, name, changes, price or [])
    used, reached = _usage(connection, study_id, spec)
    if changes and reached is not None:
        say(f"{reached.reason}: with this limit, the study is done")
    elif changes:
        say_if_nobody_works(connection, name)
    show(_answer(spec, used, reached), format)


def _change(connection: Connection, name: str, changes: dict[str, str], prices: list[str]) -> StudySpec:
    from hpotool.api.actor import current_actor
    from hpotool.storage.control.creation import change_spec
    from hpotool.study.file.differences import differences
    from hpotool.study.file.reader import change_budget

    before, after = change_spec(
        connection, name, lambda stored: change_budget(stored, changes, prices), current_actor()
    )
    for difference in differences(before, after):
        say(difference.sentence)
    return after


def _usage(connection: Connection, study_id: int, spec: StudySpec) -> tuple[Usage, ReachedLimit | None]:
    """What the study has used, and the limit it has reached, if any."""
    from dataclasses import replace

    from hpotool.storage.control.orders import count_budget
    from hpotool.storage.fleet.usage import UsageReader
    from hpotool.study.rules.budget import reached_limit

    places = count_budget(connection.run, study_id)
    reader = UsageReader(connection.run, study_id, spec.metrics, replicates=spec.has_replicates)
    used = replace(reader.read(spec.budget), complete=places.finished)
    if spec.budget.regret is not None:
        used = replace(used, regret=_judge_regret(connection, spec))
    return used, reached_limit(spec.budget, spec.metrics, used)


def _judge_regret(connection: Connection, spec: StudySpec) -> tuple[Regret | None, ...]:
    from hpotool.cli.database import load_study
    from hpotool.search.regret.looks import RegretLooks

    study = load_study(connection, spec.name)
    return RegretLooks(study.direction, spec.search_space).judge(study.get_trials(deepcopy=False))


def _answer(spec: StudySpec, used: Usage, reached: ReachedLimit | None) -> Answer:
    limits = spec.budget
    latest = used.regret[-1] if used.regret else None
    numbers: dict[str, tuple[Any, Any]] = {
        "trials": (limits.trials, used.complete),
        "wall_s": (None if limits.wall is None else limits.wall.total_seconds(), used.wall.total_seconds()),
        "gpu_hours": (limits.gpu_hours, used.gpu_hours),
        "cost": (limits.cost, used.cost),
        "patience": (limits.patience, used.progress.finished_since_improvement),
        "regret": (limits.regret, latest and latest.at_most),
        "failed": (limits.failed, used.failed),
    }
    data: dict[str, Any] = {key: {"limit": limit, "used": now} for key, (limit, now) in numbers.items() if limit}
    if limits.target:
        data["target"] = {"limit": dict(limits.target), "used": None}
    return Answer(
        data={"study": spec.name, "reached": None if reached is None else reached.key, "limits": data},
        rows=[{"budget": key, **entry} for key, entry in data.items()],
        value="" if reached is None else reached.key,
        empty=f"the study has no limit; to set one: {paste('budget', '--study', spec.name)} --trials 100",
    )
