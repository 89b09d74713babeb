"""``hpotool check``."""

from __future__ import annotations

import shlex
import tempfile
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import FormatOption, StorageOption
from hpotool.cli.output import Answer, Format, say, show
from hpotool.cli.study_files import SetOption, read_study
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    import optuna

    from hpotool.study.spec import StudySpec
    from hpotool.worker.attempt.runner import AttemptResult

_SEED = 0  # used if the file has no seed, so that two checks of one file show the same points


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The study file.")],
    run: Annotated[bool, typer.Option("--run", help="Run one trial too; nothing of it is kept.")] = False,
    points: Annotated[
        int, typer.Option("--points", metavar="N", min=0, help="How many first points to show.")
    ] = 3,
    curves_of: Annotated[
        str | None,
        typer.Option("--curves-of", metavar="STUDY", help="An earlier study, to say whether pruning is a risk."),
    ] = None,
    storage: StorageOption = None,
    assignments: SetOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Check a study file: its keys, its sampler, its first points, and whether its objective can be started.

    Needs no database but for --curves-of. The file's problems come all at once, each with its line and column.
    """
    from hpotool.study.branch import has_branches
    from hpotool.worker.attempt.pruner_check import read_step_mismatch
    from hpotool.worker.attempt.runner import AttemptRunner
    from hpotool.worker.checkpoints.location import CheckpointLocation
    from hpotool.worker.checkpoints.store import CheckpointStore

    spec = read_study(file, assignments)
    first = _first_points(spec, _build_study(spec), points)
    with tempfile.TemporaryDirectory() as folder:
        store = CheckpointStore(CheckpointLocation(folder), spec, Path(folder))
        with AttemptRunner(spec, Path(folder, "logs"), checkpoints=store) as runner:
            runner.start()
            trial = _build_study(spec).ask()
            result = runner.run(trial, seed=_SEED) if run else None
        has_checkpoint = store.has_checkpoint(trial.number)
    _say(spec, file)
    _say_trackers(spec)
    command = _example_command(spec, first)
    _say_command(spec, command)
    show(_answer(spec, first, command, result), format)
    if curves_of is not None:
        _say_risk(spec, curves_of, storage)
    if result is not None:
        _judge(spec, result)
        mismatch = read_step_mismatch(spec, trial, result)
        if mismatch is not None:
            say(f"warning: {mismatch}")
        if has_branches(spec) and not has_checkpoint:
            say("warning: the objective left no checkpoint, so trials that continue others start from scratch")


def _build_study(spec: StudySpec) -> optuna.Study:
    import optuna

    from hpotool.search.pruning.pruners import build_pruner
    from hpotool.search.samplers import sampler_for_worker

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seed = _SEED if spec.sampler.seed is None else spec.sampler.seed
    study = optuna.create_study(
        directions=[metric.direction for metric in spec.metrics],
        sampler=sampler_for_worker(replace(spec.sampler, seed=seed), spec.search_space),
        pruner=build_pruner(spec.pruner),
    )
    for point in spec.warm_start:
        study.enqueue_trial(dict(point))
    return study


def _first_points(spec: StudySpec, study: optuna.Study, count: int) -> list[dict[str, Any]]:
    """The study's first points, including its warm start; none if the objective suggests its parameters."""
    from hpotool.search.build import explained
    from hpotool.study.space import suggest_search_space

    if not spec.search_space:
        return []
    with explained(f"the sampler {spec.sampler.name!r} cannot choose a point"):
        return [suggest_search_space(spec.search_space, study.ask()) for _ in range(count)]


def _say(spec: StudySpec, file: Path) -> None:
    from hpotool.study.rules.sampler_choice import choose_sampler

    space = (
        count_of(len(spec.search_space), "parameter")
        if spec.search_space
        else "parameters suggested by the objective"
    )
    metrics = ", ".join(f"{metric.direction} {metric.name}" for metric in spec.metrics)
    say(f"{file} is valid: study {spec.name!r}, {space}, {metrics}")
    searched = choose_sampler(spec).summary
    say(f"sampler {spec.sampler.name}" + (f", which is {searched}" if searched != spec.sampler.name else ""))
    say(f"pruner {spec.pruner.name}")
    say("the objective can be started" if spec.objective.command else "the objective can be imported")


def _say_trackers(spec: StudySpec) -> None:
    """Say whether the trackers that the file names can be used from here; trials run without them too."""
    from hpotool.tracking.reach import try_trackers

    for tracker in try_trackers(spec.tracking):
        say(f"warning: {tracker.sentence}\nhint: {tracker.hint}" if tracker.trouble else tracker.sentence)


def _say_risk(spec: StudySpec, earlier: str, storage: str | None) -> None:
    """Say whether the curves of an earlier study make this one's pruner or tiers a risk."""
    from hpotool.analysis.curves.early_ranks import find_early_ranks, say_risk
    from hpotool.cli.database import connect, load_study
    from hpotool.storage.control.studies import list_studies, read_progress

    connection = connect(storage)
    study = load_study(connection, earlier)
    has_tiers = bool(read_progress(connection, list_studies(connection, study.study_name)[0]).tiers)
    risk = say_risk(study, pruner=spec.pruner.name, tiers=bool(spec.tiers), has_tiers=has_tiers)
    if risk is not None:
        say(f"warning: in study {earlier}, {risk}")
    elif (found := find_early_ranks(study, has_tiers=has_tiers)) is None:
        say(f"study {earlier} has too few complete trials with reports to compare early ranks with final ones")
    else:
        say(f"in study {earlier}, ranks {found.early} foretell final ones (correlation {found.correlation:.2f})")


def _example_command(spec: StudySpec, points: list[dict[str, Any]]) -> list[str] | None:
    """The command of the first point; values known only to an attempt stay in braces, and so does ``${NAME}``."""
    from hpotool.study.command_template import COMMAND_FIELDS, YOUNGER_FIELDS, read_arguments
    from hpotool.worker.child.command.arguments import fill_arguments, spell_json, variables_in

    if spec.objective.command is None or not points:
        return None
    known_later = {name: f"{{{name}}}" for name in (*YOUNGER_FIELDS, *COMMAND_FIELDS)}
    values = {**known_later, **points[0], "args_json": spell_json(points[0])}
    variables = {name: f"${{{name}}}" for name in variables_in(spec.objective.command)}
    arguments = read_arguments(spec.objective.command, spec.search_space)
    return fill_arguments(arguments, values, spec.search_space, variables)


def _say_command(spec: StudySpec, command: list[str] | None) -> None:
    from hpotool.study.file.command_checks import left_out

    if command is None:
        return
    say(f"the first point runs: {shlex.join(command)}")
    for names, templates in left_out(spec.objective.command or (), spec.search_space).items():
        say(f"  left out without {', '.join(names)}: {' '.join(templates)}")


def _answer(
    spec: StudySpec, points: list[dict[str, Any]], command: list[str] | None, result: AttemptResult | None
) -> Answer:
    from hpotool.study.file.resolved import spec_hash, to_document
    from hpotool.study.rules.sampler_choice import choose_sampler

    trial = None
    if result is not None:
        trial = {
            "outcome": result.outcome.value,
            "reason": result.reason,
            "values": dict(zip((metric.name for metric in spec.metrics), result.values or (), strict=False)),
            "duration_s": result.duration.total_seconds(),
        }
    data = {
        "study": spec.name,
        "hash": spec_hash(spec),
        "search": choose_sampler(spec).as_data(),
        "points": points,
        "command": command,
        "run": trial,
        "resolved": to_document(spec),
    }
    return Answer(data=data, rows=points, value=spec_hash(spec), empty="the objective suggests its own parameters")


def _judge(spec: StudySpec, result: AttemptResult) -> None:
    """Print how the trial ended.

    Raises:
        HpotoolError: it ended without a result.
    """
    from hpotool.errors import HpotoolError

    if not result.outcome.is_finished:
        output = result.output_tail.strip()[-2000:]
        if output:
            say("last output of the trial:\n" + textwrap.indent(output, "  "))
        raise HpotoolError(f"the trial ended {result.outcome.value}: {result.reason}")
    named = zip((metric.name for metric in spec.metrics), result.values or (), strict=False)
    values = ", ".join(f"{name} = {value:g}" for name, value in named)
    seconds = result.duration.total_seconds()
    say(f"the trial ended {result.outcome.value} after {seconds:.1f} s" + (f": {values}" if values else ""))
    if values and result.reason:
        say(f"warning: {result.reason}")
