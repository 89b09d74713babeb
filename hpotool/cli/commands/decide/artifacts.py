"""``hpotool artifacts``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import FormatOption, StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, say, show
from hpotool.errors import NotFoundError, paste
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna import Study

    from hpotool.analysis.finals.finals import Final


def artifacts(
    study: StudyOption = None,
    trial: Annotated[
        int | None,
        typer.Option(
            "--trial", metavar="N", min=0, help="Only final trainings of this trial's point.", show_default=False
        ),
    ] = None,
    fetch: Annotated[
        Path | None,
        typer.Option(
            "--fetch",
            metavar="FOLDER",
            help="Copy the files of the latest final training listed into this folder, checked by their SHA-256.",
            show_default=False,
        ),
    ] = None,
    storage: StorageOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List the files that final trainings have kept, with their SHA-256 and location, or fetch them."""
    from hpotool.analysis.finals.finals import list_finals
    from hpotool.cli.database import connect, load_study

    connection = connect(storage)
    loaded = load_study(connection, study, with_reevaluations=True)
    wanted = None if trial is None else f"trial {trial}"
    found = [
        final for final in list_finals(loaded) if trial is None or wanted == final.point or final.number == trial
    ]
    kept = [final for final in found if final.place is not None]
    start = paste("run", "--study", loaded.study_name, "--trial", str(_some_trial(loaded, trial)), "--final")
    if fetch is not None:
        if not kept:
            raise NotFoundError("no final training has kept any files", start)
        kept = kept[-1:]
        _fetch(kept, fetch)
    rows = [
        {
            "trial": final.number,
            "of": final.point,
            "file": file["name"],
            "bytes": file["bytes"],
            "sha256": file["sha256"][:16],
            "place": final.place,
        }
        for final in kept
        for file in final.files
    ]
    show(
        Answer(
            data=[final.as_data() for final in kept],
            rows=rows,
            value="\n".join(final.place or "" for final in kept),
            empty=f"no final training has kept any files; start one: {start}",
        ),
        format,
    )


def _some_trial(study: Study, number: int | None) -> int:
    """The trial that was asked for, or else the one that a person would train: the best, if there is one.

    Raises:
        NotFoundError: the study has no such trial.
    """
    trials = study.get_trials(deepcopy=False)
    if number is not None and all(trial.number != number for trial in trials):
        raise NotFoundError(
            f"study {study.study_name!r} has no trial {number}", paste("trials", "--study", study.study_name)
        )
    if number is not None:
        return number
    try:
        return int(study.best_trial.number)
    except (ValueError, RuntimeError):  # no trial is complete, or the study has several metrics
        return 0


def _fetch(finals: Sequence[Final], folder: Path) -> None:
    from hpotool.worker.checkpoints.location import CheckpointLocation
    from hpotool.worker.final_training.artifact_place import ArtifactPlace
    from hpotool.worker.final_training.keeper import RECIPE

    for final in finals:
        place = ArtifactPlace(CheckpointLocation.parse(final.place or ""))
        fetched = place.fetch([*final.files, {"name": RECIPE}], folder)
        say(f"fetched {count_of(len(fetched) - 1, 'file')} and {RECIPE} of trial {final.number} into {folder}")
