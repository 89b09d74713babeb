"""This machine: settings, folders, limits, and what earlier workers left."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import socket
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import psutil

from hpotool import __version__
from hpotool.doctor.finding import Finding, Ward, broken, ok, warning
from hpotool.errors import HpotoolError
from hpotool.settings import config_file, configured_storage, read_pulse
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.study.units import format_size
from hpotool.study.wording import count_of, format_limit
from hpotool.worker.membership.identity import has_left_this_host

_LEAST_FREE = 2 << 30
_LEAST_INODES = 10_000
_LEAST_FILES = 1024
_LEAST_PROCESSES = 1024
_LEAST_SHARED_MEMORY = 512 << 20
_MOST_LOGS = 20 << 30
_PASSWORD = re.compile(r"postgres(?:ql)?(?:\+\w+)?://(?:[^\s:/@]*:[^\s@/]+@|\S*[?&](?:ssl)?password=[^\s&])")


@dataclass(frozen=True)
class Machine:
    """What the checks look at: the home folder, and the environment that workers would have."""

    home: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


def packages(machine: Machine) -> Finding:
    """Every required package is there, in a version that is admitted."""
    wrong = []
    for text in distribution("hpotool").requires or ():
        if "extra ==" in text:
            continue
        name, bounds = _parse_requirement(text)
        try:
            wrong += (
                [f"{name} {version(name)} (needs {bounds})"] if not _is_admitted(version(name), bounds) else []
            )
        except PackageNotFoundError:
            wrong.append(f"{name} is missing")
    if wrong:
        return broken(", ".join(wrong), f"pip install --force-reinstall hpotool=={__version__}")
    return ok("all in versions that are admitted")


def pulse(_: Machine) -> Finding:
    """The heartbeat interval and grace period make sense."""
    try:
        found = read_pulse()
    except HpotoolError as error:
        return broken(error.message, error.hint or "")
    interval, grace = (format_limit(one.total_seconds()) for one in (found.interval, found.grace))
    return ok(f"a beat every {interval}, lost after {grace}")


def config(_: Machine) -> Finding:
    """The config file can be read."""
    try:
        configured_storage()
    except HpotoolError as error:
        return broken(error.message, error.hint or f"mend it: {config_file()}")
    return ok(str(config_file()))


def config_secret(_: Machine) -> Finding:
    """A password in the config file is not for everybody to read."""
    path = config_file()
    try:
        is_open = bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
        has_password = bool(_PASSWORD.search(path.read_text(errors="replace")))
    except OSError:
        return ok("there is none")
    if has_password and is_open:
        return warning(f"{path} holds a password that others can read", f"chmod 600 {path}")
    return ok()


def home(machine: Machine) -> Finding:
    """The home folder can be written."""
    try:
        machine.home.mkdir(parents=True, exist_ok=True)
        probe = machine.home / f".doctor-{os.getpid()}"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        return broken(
            f"the home folder {machine.home} cannot be written: {error.strerror}",
            "set HPOTOOL_HOME to another one",
        )
    return ok(str(machine.home))


def disk(machine: Machine) -> Finding:
    """There is room for logs, checkpoints and results."""
    free = shutil.disk_usage(_existing(machine.home)).free
    if free < _LEAST_FREE:
        return warning(f"{free / 1e9:.1f} GB are free at {machine.home}", "make room: hpotool clean --dry-run")
    return ok(f"{free / 1e9:.0f} GB are free")


def inodes(machine: Machine) -> Finding:
    """There is room for more files."""
    status = os.statvfs(_existing(machine.home))
    if status.f_files and status.f_favail < _LEAST_INODES:
        says = f"only {count_of(status.f_favail, 'more file')} can be made at {machine.home}"
        return warning(says, "make room: hpotool clean --dry-run")
    return ok()


def temporary(machine: Machine) -> Finding:
    """The folder for temporary files is there."""
    folder = Path(machine.environment.get("TMPDIR") or "/tmp")
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return broken(
            f"the folder for temporary files {folder} cannot be written", "unset TMPDIR, or make that folder"
        )
    free = shutil.disk_usage(folder).free
    if free < _LEAST_FREE / 8:
        return warning(f"{free / 1e6:.0f} MB are free in {folder}", "set TMPDIR to a folder with more room")
    return ok(str(folder))


def open_files(_: Machine) -> Finding:
    """A data loader may open enough files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < _LEAST_FILES:
        return warning(
            f"a process may have {count_of(soft, 'file')} open",
            f"ulimit -n {min(65536, hard) if hard > 0 else 65536}",
        )
    return ok()


def processes(_: Machine) -> Finding:
    """Workers, their attempts and data loaders may start."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NPROC)
    if 0 <= soft < _LEAST_PROCESSES:
        return warning(f"this account may have {count_of(soft, 'process', 'processes')}", "ulimit -u 4096")
    return ok()


def address_space(_: Machine) -> Finding:
    """Memory may be reserved: CUDA reserves far more than it uses."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        return warning(
            f"a process may reserve {format_size(soft)} (ulimit -v), and CUDA reserves far more than it uses",
            "ulimit -v unlimited, and max_memory in the study file instead",
        )
    return ok()


def core_files(_: Machine) -> Finding:
    """A crash does not fill the disk."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_CORE)
    pattern = _read(Path("/proc/sys/kernel/core_pattern"))
    if soft != 0 and not pattern.startswith("|"):
        return warning("each crash writes a core file as large as the process", "ulimit -c 0")
    return ok()


def shared_memory(_: Machine) -> Finding:
    """Data loaders can hand their batches over."""
    folder = Path("/dev/shm")
    if folder.is_dir() and shutil.disk_usage(folder).total < _LEAST_SHARED_MEMORY:
        size = shutil.disk_usage(folder).total / 1e6
        return warning(
            f"/dev/shm has {size:.0f} MB, and data loaders with workers fail when it is full",
            "mount -o remount,size=50% /dev/shm (of a container: --shm-size=8g)",
        )
    return ok()


def host_name(_: Machine) -> Finding:
    """The machine's name tells it from others."""
    name = socket.gethostname()
    if not name or name.split(".")[0].lower() == "localhost":
        return warning(
            f"this machine is called {name!r}: workers of several such machines cannot be told apart",
            "hostnamectl set-hostname NAME (of a container: --hostname NAME)",
        )
    return ok(name)


def program(machine: Machine) -> Finding:
    """The ``hpotool`` that a shell finds is this one."""
    found = shutil.which("hpotool", path=machine.environment.get("PATH"))
    if found is None:
        return warning("a shell finds no hpotool", "activate the environment that it is installed in")
    first_line = _read(Path(found)).partition("\n")[0]
    interpreter = Path(first_line.removeprefix("#!").strip() or "/")
    if first_line.startswith("#!/") and interpreter.parent != Path(sys.executable).parent:
        return warning(f"a shell finds another hpotool: {found}", "activate the environment that is meant")
    return ok(found)


def unsent_results(machine: Machine) -> Finding:
    """No results of an outage lie here."""
    files = [path for path in (machine.home / "spool").glob("*/*.json") if _is_left(path)]
    if files:
        waiting = count_of(len(files), "result of an earlier worker waits", "results of earlier workers wait")
        return warning(
            f"{waiting} on this machine for the database",
            "start a worker of that study here: it sends them first",
        )
    return ok()


def left_processes(_: Machine) -> Finding:
    """Nothing of an attempt runs whose worker is gone."""
    left = list(_orphans())
    if left:
        pids = " ".join(str(process.pid) for process in left)
        return warning(f"processes of attempts run without their worker: {pids}", f"kill {pids}")
    return ok()


def logs(machine: Machine) -> Finding:
    """Logs do not take the disk."""
    size = sum(path.stat().st_size for path in (machine.home / "logs").rglob("*") if path.is_file())
    if size > _MOST_LOGS:
        return warning(f"logs take {size / 1e9:.0f} GB", "hpotool clean --dry-run")
    return ok(f"{size / 1e6:.0f} MB")


def password_in_arguments(_: Machine) -> Finding:
    """No password of a database is in an argument list."""
    for process in psutil.process_iter(["pid", "cmdline"]):
        if _PASSWORD.search(" ".join(process.info["cmdline"] or ())):
            return warning(
                f"the arguments of process {process.pid} show a database's password to everybody on this machine",
                "hand it over in HPOTOOL_STORAGE, PGPASSWORD or ~/.pgpass",
            )
    return ok()


MACHINE: Ward[Machine] = Ward(
    "this machine",
    {
        "packages": packages,
        "pulse": pulse,
        "config file": config,
        "config file's secret": config_secret,
        "home folder": home,
        "disk": disk,
        "inodes": inodes,
        "temporary folder": temporary,
        "open files": open_files,
        "processes": processes,
        "address space": address_space,
        "core files": core_files,
        "shared memory": shared_memory,
        "host name": host_name,
        "program": program,
        "unsent results": unsent_results,
        "left processes": left_processes,
        "logs": logs,
        "password in arguments": password_in_arguments,
    },
)


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _is_left(spooled: Path) -> bool:
    """Whether the worker that keeps something there is gone: one that lives sends it itself."""
    try:
        worker = WorkerIdentity(**json.loads(spooled.read_text())["worker"])
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError):
        return True
    return has_left_this_host(worker)


def _read(path: Path) -> str:
    try:
        return path.read_bytes()[:4096].decode(errors="replace")
    except OSError:
        return ""


def _orphans() -> Iterator[psutil.Process]:
    """Processes that carry an attempt's name and have no worker above them."""
    for process in psutil.process_iter():
        try:
            if "HPOTOOL_TRIAL" in process.environ() and not _has_worker_above(process):
                yield process
        except (psutil.Error, OSError):
            continue


def _has_worker_above(process: psutil.Process) -> bool:
    return any("hpotool" in " ".join(parent.cmdline()) for parent in process.parents())


def _parse_requirement(text: str) -> tuple[str, str]:
    """``name[extra]>=1,<2; marker`` as its name and its bounds."""
    name, _, rest = re.sub(r"\[.*?\]", "", text.partition(";")[0]).strip().partition(" ")
    found = re.match(r"[A-Za-z0-9_.-]+", name)
    assert found is not None
    return found[0], (name[found.end() :] + rest).strip().strip("()")


def _is_admitted(installed: str, bounds: str) -> bool:
    """Whether a version keeps bounds of ``>=`` and ``<``; the release's numbers decide."""
    for bound in filter(None, bounds.split(",")):
        sign, wanted = re.match(r"([<>=!~]+)\s*(.+)", bound.strip()).groups()  # type: ignore[union-attr]
        is_less = _numbers(installed) < _numbers(wanted)
        if (sign == ">=" and is_less) or (sign == "<" and not is_less):
            return False
    return True


def _numbers(text: str) -> tuple[int, ...]:
    numbers = [int(part) for part in re.findall(r"\d+", text.partition("+")[0])]
    return tuple([*numbers, 0, 0, 0, 0][:4])
