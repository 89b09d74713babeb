"""The behaviour and the options that the commands of all launch targets share."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import refuse_study_beside_pool
from hpotool.cli.output import say
from hpotool.errors import EXIT_DONE, EXIT_FAILED, InputError, NotFoundError, paste
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    from hpotool.launch.target import Target
    from hpotool.storage.database.connection import Connection
    from hpotool.storage.database.url import DatabaseUrl

WorkersOption = Annotated[
    int, typer.Option("--workers", "-n", metavar="N", min=1, max=10_000, help="Number of workers in total.")
]
GpusOption = Annotated[int, typer.Option("--gpus", metavar="N", min=0, help="GPUs per worker; 0 means the CPU.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Print exactly what would run; start and store nothing.")
]
CodeOption = Annotated[
    Path | None,
    typer.Option(
        "--code", metavar="FOLDER", help="The folder with your code [default: this one].", show_default=False
    ),
]
CheckpointsOption = Annotated[
    str | None,
    typer.Option(
        metavar="PATH|URL",
        help="Folder or fsspec URL that all workers share [default: below HPOTOOL_HOME on each machine].",
        show_default=False,
    ),
]
HpotoolOption = Annotated[
    str | None,
    typer.Option(
        "--hpotool",
        metavar="PATH",
        help="Path of hpotool where the workers run [default: its path here].",
        show_default=False,
    ),
]
WorkerOptionsOption = Annotated[
    str,
    typer.Option(
        metavar="WORDS", help="More options for each worker, as one argument: '--no-breaker'.", show_default=False
    ),
]


def begin(
    target: Target,
    study: str | None,
    storage: str | None,
    *,
    workers: int,
    gpus: int,
    dry_run: bool,
    hpotool: str | None = None,
    code: Path | str | None = None,
    checkpoints: str | None = None,
    grace_s: float | None = None,
    worker_options: str = "",
    options: Mapping[str, Any] | None = None,
    launch_id: str | None = None,
    pool: str | None = None,
) -> int:
    """Start workers on the target, or show what would start them; return the exit code."""
    from hpotool.api.actor import current_actor
    from hpotool.cli.database import adopt_study, identify_study
    from hpotool.launch.plan import show_plan
    from hpotool.launch.request import GRACE_S, Request, new_launch_id
    from hpotool.launch.start import check_study, load_cargo, start_launch
    from hpotool.storage.database.connection import Connection

    url = url_for(target, storage)
    connection = Connection(url)
    if pool is not None:
        study = _study_of_pool(connection, pool, study)
    study_id, name = (identify_study if dry_run else adopt_study)(connection, study)
    check_study(connection.run, study_id, name)
    folder = Path.cwd() if code is None else Path(code)
    cargo = load_cargo(url, target, folder if target.has_own_code else folder.resolve())
    request = Request(
        launch_id or new_launch_id(target.name),
        target.name,
        name,
        workers,
        gpus,
        hpotool or own_program(),
        str(code) if target.has_own_code and code else None if target.has_own_code else str(folder.resolve()),
        cargo.code.hash or None,
        _absolute(checkpoints, target),
        GRACE_S if grace_s is None else grace_s,
        tuple(_words(worker_options)),
        dict(options or {}),
        pool,
    )
    request = target.prepare(request)
    if dry_run:
        sys.stdout.write("\n".join(show_plan(target.steps(request, cargo))))
        return EXIT_DONE
    change = start_launch(connection.run, study_id, target, request, cargo, current_actor())
    return _say(name, request.launch_id, gpus, checkpoints, change.started, change.failures)


def url_for(target: Target, storage: str | None) -> DatabaseUrl:
    """The database's URL for the target's machines; an embedded one's has the address that it was opened on."""
    from hpotool.cli.database import resolve_url
    from hpotool.cli.embedded import embedded_postgres
    from hpotool.settings import configured_storage

    url = resolve_url(storage)
    if configured_storage(storage) or not target.is_elsewhere:
        return url
    return embedded_postgres().url_for_others()


def own_program() -> str:
    """The path of the running hpotool."""
    beside = Path(sys.executable).with_name("hpotool")
    return str(beside) if beside.exists() else shutil.which("hpotool") or "hpotool"


def _study_of_pool(connection: Connection, pool: str, study: str | None) -> str:
    """The study that a pool's launch is recorded with: the one that is named, or the first of the pool.

    Raises:
        NotFoundError: no study is in the pool.
        InputError: the one that is named is in another one.
    """
    from hpotool.storage.pools.places import list_places

    places = list_places(connection.run, 0.0, pool=pool)
    if not places:
        raise NotFoundError(f"no study is in pool {pool!r}", paste("share", "STUDY", "--pool", pool))
    if study in [place.study for place in places]:
        return str(study)
    refuse_study_beside_pool(study, f"study {study!r} is not in pool {pool!r}", paste("pools", "--", pool))
    return min(places, key=lambda place: place.closed_because in ("done", "stopped", "draining")).study


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InputError(
            f"--worker-options cannot be read: {error}", "write it like --worker-options '--no-breaker'"
        ) from None


def _absolute(checkpoints: str | None, target: Target) -> str | None:
    """The folder as an absolute path: a relative one would mean nothing on other machines."""
    if checkpoints is None or "://" in checkpoints or target.has_own_code:
        return checkpoints
    return str(Path(checkpoints).absolute())


def _say(
    study: str, launch_id: str, gpus: int, checkpoints: str | None, started: int, failures: Mapping[str, str]
) -> int:
    for where, why in failures.items():
        say(f"{where} failed: {why}")
    count = count_of(started, "worker")
    on = f"with {count_of(gpus, 'GPU')} each" if gpus else "on the CPU (--gpus 1 gives each a GPU)"
    say(f"launched {count} as {launch_id}, {on}")
    if checkpoints is None:
        say("without --checkpoints, a trial that moves to another machine starts over")
    say(f"to list them: {paste('workers', '--study', study)}")
    return EXIT_FAILED if failures else EXIT_DONE
