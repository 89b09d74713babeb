"""Promises of memory on this machine's GPUs: what each running trial may use, known to all workers of the machine.

A promise lasts as long as its worker's process, whatever ends that: it is an empty file that the process holds
locked (``flock``), and the kernel releases the lock. So it is known across studies, databases, HPOTOOL_HOMEs and
accounts, also while a database is away. A database could not tell so much: two studies may have two of them, and a
heartbeat misses a dead worker for a grace period.

All that is to be known is in the file's name, so a full disk cannot leave half of it, and no file has to be read.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote

from hpotool.errors import InputError
from hpotool.study.rules.packing import Capacity, Request, Standing, Wait, judge_start

# The same for every account, so TMPDIR does not matter; containers that share a device have to share a folder.
DEFAULT_FOLDER = Path("/tmp/hpotool-gpus")
FOLDER_VARIABLE = "HPOTOOL_GPU_FOLDER"
_FOR_EVERYBODY = 0o1777
_LOCKED_WITHIN_S = (
    2.0  # a worker that is suspended in the middle of a request must not hold up the others for ever
)
_TRIES_EVERY_S = 0.01
_PARTS = 4
_READABLE = 0o644
_STANDINGS: tuple[Standing, ...] = ("held", "queued", "crowded")


def promises_folder() -> Path:
    """The folder in which this machine's workers keep their promises."""
    return Path(os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER)


class BusyDeviceError(Exception):
    """Another process has not let go of a device's list for seconds, so nothing can be said about it now."""


class Promise:
    """A request of this process on one device, from its first question until ``give_back``."""

    def __init__(
        self, folder: Path, memory: int, holder: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Asks for nothing yet. ``folder`` is the device's own."""
        self._folder = folder
        self._memory = memory
        self._holder = holder
        self._clock = clock
        self._path: Path | None = None
        self._lock: int | None = None
        self._since = 0.0
        self._standing: Standing | None = None

    @property
    def is_asked(self) -> bool:
        """Whether others see this request, granted or not."""
        return self._path is not None

    @property
    def is_in_line(self) -> bool:
        """Whether it waits for other promises to end, and will come first if it waits long enough."""
        return self._standing == "queued"

    def ask(self, capacity: Capacity) -> Wait | None:
        """Take the promise if it fits; otherwise return why it does not, and stay in line.

        Raises:
            BusyDeviceError: the device's list is locked by another process.
            OSError: the folder cannot be used.
        """
        with _locked(self._folder):
            others = [request for path, request in _living(self._folder) if path != self._path]
            now = self._clock()
            if self._path is None:
                self._since = now
            wait = judge_start(self._memory, self._since, capacity, others, now)
            self._stand(wait.standing if wait else "held")
            return wait

    def give_back(self) -> None:
        """Let others have the memory; without effect where nothing was asked for."""
        path, self._path = self._path, None
        lock, self._lock = self._lock, None
        self._standing = None
        if path is not None:
            with suppress(OSError):  # the folder was swept; the lock goes with the file
                path.unlink()
        if lock is not None:
            fcntl.flock(lock, fcntl.LOCK_UN)  # a child that was forked meanwhile may hold the file open
            os.close(lock)

    def _stand(self, standing: Standing) -> None:
        self._write(standing)
        self._standing = standing

    def _write(self, standing: Standing) -> None:
        name = _name_of(Request(self._memory, self._since, standing, self._holder))
        path = self._folder / f"{name}.{os.getpid()}-{uuid.uuid4().hex[:8]}"
        if self._path is not None:
            with suppress(FileNotFoundError):  # somebody swept the folder; a new file does
                self._path.rename(path)
                self._path = path
                return
            self.give_back()
        self._lock = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _READABLE)
        self._path = path
        os.fchmod(self._lock, _READABLE)  # whatever the umask: other accounts try this lock
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def device_folder(device: str, folder: Path | None = None) -> Path:
    """The folder of the device with that UUID, made where there was none.

    Raises:
        InputError: it cannot be made, or belongs to somebody who does not share it.
    """
    base = folder or promises_folder()
    found = base / quote(device, safe="")
    try:
        for each in (base, found):
            _make_for_everybody(each)
        with _locked(found):
            pass
    except BusyDeviceError:
        pass  # it is there, and in use
    except OSError as error:
        raise InputError(
            f"workers cannot tell each other what they use of a GPU: {error}",
            f"export {FOLDER_VARIABLE}=/a/folder/that/all/workers/of/this/machine/can/write",
        ) from None
    return found


def list_promises(device: str, folder: Path | None = None) -> list[Request]:
    """What living workers were promised, or ask for, on a device; empty where nobody ever did."""
    found = (folder or promises_folder()) / quote(device, safe="")
    return [request for _, request in _living(found, is_tidy=False)] if found.is_dir() else []


def _make_for_everybody(folder: Path) -> None:
    with suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(_FOR_EVERYBODY)
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise NotADirectoryError(f"{folder} is not a folder")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the device's list. The file is never removed, so that all lock the same one."""
    with suppress(FileExistsError):
        os.close(os.open(folder / "list", os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _READABLE))
        (folder / "list").chmod(_READABLE)
    # Without O_CREAT: with it, Linux refuses another account's file in a folder that everybody may write to.
    file = os.open(folder / "list", os.O_RDONLY | os.O_NOFOLLOW)
    try:
        deadline = time.monotonic() + _LOCKED_WITHIN_S
        while not _try_lock(file):
            if time.monotonic() > deadline:
                raise BusyDeviceError
            time.sleep(_TRIES_EVERY_S)
        yield
    finally:
        os.close(file)


def _living(folder: Path, *, is_tidy: bool = True) -> Iterator[tuple[Path, Request]]:
    """The requests whose processes live; those of dead ones are removed where ``is_tidy``."""
    for path in sorted(folder.iterdir()):
        request = _read_name(path.name)
        if request is None:
            continue
        if _is_locked(path):
            yield path, request
        elif is_tidy:
            with suppress(OSError):  # another account's, in a folder where only the owner may remove a file
                path.unlink()


def _is_locked(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:  # removed meanwhile; or left by a process that died before anybody could read its file
        return False
    try:
        return not _try_lock(file, fcntl.LOCK_SH)  # two that look at once do not take each other for the holder
    finally:
        os.close(file)


def _try_lock(file: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _name_of(request: Request) -> str:
    milliseconds = round(request.since * 1000)
    return (
        f"{request.memory}.{milliseconds}.{request.standing}.{quote(request.holder, safe='').replace('.', '%2E')}"
    )


def _read_name(name: str) -> Request | None:
    """The request that a file's name stands for; None for any other file."""
    parts = name.split(".")
    if len(parts) != _PARTS + 1 or not (parts[0].isdecimal() and parts[1].isdecimal()):
        return None
    standing = next((each for each in _STANDINGS if each == parts[2]), None)
    if standing is None:
        return None
    return Request(int(parts[0]), int(parts[1]) / 1000, standing, unquote(parts[3]))
