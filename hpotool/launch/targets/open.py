"""Every target by its name: what a stored launch needs to be looked at, changed and ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hpotool.errors import InputError
from hpotool.launch.target import Target
from hpotool.launch.targets.kubernetes import KubernetesTarget
from hpotool.launch.targets.machine import MachineTarget
from hpotool.launch.targets.slurm import SlurmTarget
from hpotool.launch.targets.ssh import SshTarget, shared_connections, split_options

_TARGETS: dict[str, type[Target]] = {
    target.name: target for target in (MachineTarget, SlurmTarget, KubernetesTarget)
}


@contextmanager
def open_target(name: str, request: Mapping[str, Any]) -> Iterator[Target]:
    """The target of a stored launch.

    Raises:
        InputError: a younger hpotool launched it, on a target that this one does not know.
    """
    if name == SshTarget.name:
        with shared_connections(split_options(str(request.get("options", {}).get("ssh", "")))) as connection:
            yield SshTarget(connection)
    elif name in _TARGETS:
        yield _TARGETS[name]()
    else:
        raise InputError(f"this hpotool cannot launch by {name!r}", "pip install --upgrade hpotool")
