"""The machine's GPUs: driver, what uses them, and whether the framework can."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from hpotool.doctor.finding import Finding, Ward, broken, ok, unknown, warning
from hpotool.study.units import format_gigabytes
from hpotool.study.wording import count_of
from hpotool.worker.devices.health import Health, judge_health
from hpotool.worker.devices.probe import probe
from hpotool.worker.devices.promises import list_promises
from hpotool.worker.gpu import Nvml, find_repeated, visible_devices

_PATIENCE_S = 60.0
_NO_DEVICE = ("-1", "NoDevFiles")  # how schedulers and people say that none may be used
_LOOKS_BACK_S = 3600.0  # in the kernel's log
# In a process of its own: here nothing may touch CUDA.
_ASK_TORCH = "import torch; print(torch.version.cuda or 'none', torch.cuda.is_available(), sep='|')"


@dataclass(frozen=True)
class Gpus:
    """What the checks look at: NVML, the device files, and the environment that workers would have."""

    nvml: Nvml
    device_folder: Path = Path("/dev")
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    ask: Callable[[Sequence[str], float], Mapping[str, Health]] = probe


def driver(gpus: Gpus) -> Finding:
    """Where there is a GPU, its driver answers."""
    files = sorted(gpus.device_folder.glob("nvidia[0-9]*"))
    if gpus.nvml.missing is not None and files:
        return broken(
            f"there is a GPU ({files[0].name}), and its driver does not answer: {gpus.nvml.missing}",
            "nvidia-smi must work first (of a container: --gpus all)",
        )
    if gpus.nvml.missing is not None:
        return ok("no GPU")
    devices = gpus.nvml.devices()
    silent = [device for device in devices if device.trouble]
    if silent:
        return broken(
            f"gpu {silent[0].number} does not answer: {silent[0].trouble}",
            "nvidia-smi --gpu-reset, or restart the machine; until then --gpu auto leaves it out",
        )
    return ok(", ".join(device.name for device in devices))


def visible(gpus: Gpus) -> Finding:
    """CUDA_VISIBLE_DEVICES names devices that are there."""
    chosen = gpus.environment.get("CUDA_VISIBLE_DEVICES")
    if not chosen or chosen in _NO_DEVICE or gpus.nvml.missing is not None:
        return ok()
    twice = find_repeated(gpus.nvml, gpus.environment)
    if twice is not None:
        return broken(
            f"CUDA_VISIBLE_DEVICES={chosen} names gpu {twice.number} twice, for which CUDA uses no GPU at all",
            "name each once",
        )
    wanted = [part for part in chosen.split(",") if part.strip()]
    found = visible_devices(gpus.nvml, gpus.environment)
    if len(found) < len(wanted):
        return broken(
            f"CUDA_VISIBLE_DEVICES={chosen} has {count_of(len(wanted), 'entry', 'entries')}, and CUDA uses "
            f"{len(found)} of them: it stops at the first that is not there",
            "unset CUDA_VISIBLE_DEVICES, or name what nvidia-smi -L lists",
        )
    return ok(chosen)


def busy(gpus: Gpus) -> Finding:
    """Nobody else uses the devices."""
    visible = [each for each in visible_devices(gpus.nvml, gpus.environment) if not each.trouble]
    used = [device for device in visible if gpus.nvml.is_busy(device)]
    if used:
        names = ", ".join(f"gpu {device.number}" for device in used)
        return warning(f"{names} in use by others", "hpotool worker --if-busy wait, or see who: nvidia-smi")
    return ok()


def health(gpus: Gpus) -> Finding:
    """No device has errors that the driver knows of, or the kernel's log of the last hour."""
    devices = [each for each in visible_devices(gpus.nvml, gpus.environment) if not each.trouble]
    since_s = time.monotonic() - _LOOKS_BACK_S
    found = gpus.ask([device.uuid for device in devices], since_s) if devices else {}
    troubles = [(device, trouble) for device in devices if (trouble := judge_health(found[device.uuid]))]
    if not troubles:
        return ok()
    device, trouble = troubles[0]
    verdict = warning if trouble.kind == "hot" else broken
    more = (
        f" ({count_of(len(troubles) - 1, 'more GPU has', 'more GPUs have')} errors)" if len(troubles) > 1 else ""
    )
    return verdict(f"gpu {device.number} ({device.name}): {trouble.says}{more}", trouble.remedy)


def promised(gpus: Gpus) -> Finding:
    """No memory is promised to trials."""
    held = [
        f"gpu {device.number}: {format_gigabytes(request.memory)} to {request.holder}"
        for device in visible_devices(gpus.nvml, gpus.environment)
        for request in list_promises(device.uuid)
        if request.standing == "held"
    ]
    return ok("; ".join(held))


def framework(gpus: Gpus) -> Finding:
    """PyTorch, where it is installed, can use the GPUs."""
    if gpus.nvml.missing is not None or find_spec("torch") is None:
        return ok()
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK_TORCH],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            env=dict(gpus.environment),
        )
    except subprocess.TimeoutExpired:
        return unknown(f"torch did not import within {_PATIENCE_S:g} s")
    cuda, _, is_available = done.stdout.strip().rpartition("\n")[2].partition("|")
    if done.returncode:
        return broken(
            f"torch cannot be imported: {done.stderr.strip().splitlines()[-1]}",
            "pip install --force-reinstall torch",
        )
    if cuda == "none":
        return broken("torch is built without CUDA: it would train on the CPU", "install one with it: pytorch.org")
    if is_available != "True":
        return broken(
            f"torch is built for CUDA {cuda}, and the driver does not take it",
            "install a torch for the CUDA version that nvidia-smi shows",
        )
    return ok(f"torch with CUDA {cuda}")


GPUS: Ward[Gpus] = Ward(
    "GPUs",
    {
        "driver": driver,
        "visible devices": visible,
        "health": health,
        "busy devices": busy,
        "promised memory": promised,
        "framework": framework,
    },
)
