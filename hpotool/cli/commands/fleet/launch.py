"""``hpotool launch``: start workers on this machine, over SSH, on Slurm or on Kubernetes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from hpotool.cli.commands.fleet.begin import (
    CheckpointsOption,
    CodeOption,
    DryRunOption,
    GpusOption,
    HpotoolOption,
    WorkerOptionsOption,
    WorkersOption,
    begin,
)
from hpotool.cli.options import PoolOption, StorageOption, StudyOption, read_duration
from hpotool.errors import InputError

_CpusOption = Annotated[
    int | None,
    typer.Option(
        "--cpus",
        metavar="N",
        min=1,
        help="CPU cores for each worker [default: the cluster's].",
        show_default=False,
    ),
]
_MemoryOption = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="Memory for each worker, like 16G [default: the cluster's].",
        show_default=False,
    ),
]


def local(
    study: StudyOption = None,
    pool: PoolOption = None,
    workers: WorkersOption = 1,
    gpus: GpusOption = 0,
    code: CodeOption = None,
    checkpoints: CheckpointsOption = None,
    worker_options: WorkerOptionsOption = "",
    dry_run: DryRunOption = False,
    storage: StorageOption = None,
) -> int:
    """Start workers on this machine that keep running when the terminal is closed."""
    from hpotool.launch.targets.machine import MachineTarget

    return begin(
        MachineTarget(), study, storage, workers=workers, gpus=gpus, dry_run=dry_run, pool=pool,
        code=code, checkpoints=checkpoints, worker_options=worker_options,
    )  # fmt: skip


def ssh(
    study: StudyOption = None,
    pool: PoolOption = None,
    host: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="A host name for ssh; repeat for each host.", show_default=False),
    ] = None,
    workers: WorkersOption = 1,
    gpus: GpusOption = 0,
    code: CodeOption = None,
    checkpoints: CheckpointsOption = None,
    hpotool: HpotoolOption = None,
    ssh_options: Annotated[
        str,
        typer.Option(
            metavar="WORDS", help="More options for ssh, as one argument: '-F FILE'.", show_default=False
        ),
    ] = "",
    worker_options: WorkerOptionsOption = "",
    dry_run: DryRunOption = False,
    storage: StorageOption = None,
) -> int:
    """Copy the code to other machines over SSH, and start workers there."""
    from hpotool.launch.targets.ssh import SshTarget, check_hosts, shared_connections, split_options

    hosts = list(host or ())
    check_hosts(hosts)
    with shared_connections(split_options(ssh_options)) as connection:
        return begin(
            SshTarget(connection), study, storage, workers=workers, gpus=gpus, dry_run=dry_run, pool=pool,
            code=code, checkpoints=checkpoints, hpotool=hpotool, worker_options=worker_options,
            options={"hosts": hosts, "ssh": ssh_options},
        )  # fmt: skip


def slurm(
    study: StudyOption = None,
    pool: PoolOption = None,
    workers: WorkersOption = 1,
    gpus: GpusOption = 0,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="LIMIT",
            help="Time limit of a job: 90 (minutes) or 4:00:00 [default: the partition's].",
            show_default=False,
        ),
    ] = None,
    partition: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A Slurm partition [default: the cluster's].", show_default=False),
    ] = None,
    cpus: _CpusOption = None,
    memory: _MemoryOption = None,
    sbatch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OPTION", help="Another option for sbatch: --sbatch=--account=x.", show_default=False
        ),
    ] = None,
    code: CodeOption = None,
    checkpoints: CheckpointsOption = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Folder for script, secret and logs [default: ~/.hpotool].", show_default=False
        ),
    ] = None,
    one_machine: Annotated[
        bool, typer.Option("--one-machine", help="All nodes share this machine's disk.")
    ] = False,
    hpotool: HpotoolOption = None,
    worker_options: WorkerOptionsOption = "",
    dry_run: DryRunOption = False,
    storage: StorageOption = None,
) -> int:
    """Submit workers to Slurm as a job array; each is requeued until the study is done."""
    from hpotool.launch.request import new_launch_id
    from hpotool.launch.targets.slurm import SlurmTarget

    launch_id = new_launch_id("slurm")
    place = (folder or Path.home() / ".hpotool").absolute() / "launches" / launch_id
    options = {
        "time": time, "partition": partition, "cpus": cpus, "memory": memory, "sbatch": list(sbatch or ()),
        "folder": str(place), "is_one_machine": one_machine,
    }  # fmt: skip
    return begin(
        SlurmTarget(), study, storage, workers=workers, gpus=gpus, dry_run=dry_run, pool=pool,
        code=code, checkpoints=checkpoints, hpotool=hpotool, worker_options=worker_options, options=options,
        launch_id=launch_id,
    )  # fmt: skip


def kubernetes(
    study: StudyOption = None,
    pool: PoolOption = None,
    image: Annotated[
        str | None,
        typer.Option(metavar="IMAGE", help="An image that contains hpotool and your code.", show_default=False),
    ] = None,
    workers: WorkersOption = 1,
    gpus: GpusOption = 0,
    cpus: _CpusOption = None,
    memory: _MemoryOption = None,
    grace: Annotated[
        str,
        typer.Option(metavar="DURATION", help="Time for a trial to write its checkpoint when a pod must stop."),
    ] = "50s",
    checkpoints: CheckpointsOption = None,
    volume: Annotated[
        str | None,
        typer.Option(
            metavar="CLAIM:PATH", help="Mount a volume claim in each pod, for checkpoints.", show_default=False
        ),
    ] = None,
    workdir: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="The code's folder in the image [default: its working folder].",
            show_default=False,
        ),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A Kubernetes namespace [default: the context's].", show_default=False),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A context of kubectl [default: the current one].", show_default=False),
    ] = None,
    queue: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A local queue of Kueue, if the cluster has it.", show_default=False),
    ] = None,
    hpotool: Annotated[str, typer.Option(metavar="PATH", help="Path of hpotool in the image.")] = "hpotool",
    worker_options: WorkerOptionsOption = "",
    dry_run: DryRunOption = False,
    storage: StorageOption = None,
) -> int:
    """Run workers as a Kubernetes Job; lost pods are replaced until the study is done."""
    from hpotool.launch.targets.kubernetes import KubernetesTarget

    if image is None:
        raise InputError(
            "no image is named", "give one with your code and its packages: --image registry/name:tag"
        )
    grace_s = read_duration("--grace", grace, "50s").total_seconds()
    options = {
        "image": image, "cpus": cpus, "memory": memory, "volume": volume, "namespace": namespace,
        "context": context, "queue": queue,
    }  # fmt: skip
    return begin(
        KubernetesTarget(), study, storage, workers=workers, gpus=gpus, dry_run=dry_run, pool=pool,
        code=workdir, checkpoints=checkpoints, hpotool=hpotool, grace_s=grace_s, worker_options=worker_options,
        options=options,
    )  # fmt: skip


COMMANDS: dict[str, Callable[..., object]] = {
    "local": local,
    "ssh": ssh,
    "slurm": slurm,
    "kubernetes": kubernetes,
}
