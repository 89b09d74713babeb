"""Accesses files in a folder of another account, which may put a link anywhere in it at any moment.

Root keeps the server's settings in folders owned by the account that Postgres runs as. Files there are opened
relative to the descriptor of their folder and without following links, so that nothing outside is read or written,
even in a race.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hpotool.server.account import Account


@dataclass(frozen=True)
class ForeignFolder:
    """The folder ``base``/``inside`` of ``account``; the path to ``base`` is owned by the caller or root.

    In folders of the caller's own account, links are followed as usual, because they may lead to another disk on
    purpose.
    """

    account: Account
    base: Path
    inside: tuple[str, ...] = ()

    def read(self, name: str, offset: int = 0) -> str:
        """The text of the file ``name``, from a byte offset.

        Raises:
            OSError: it does not exist, or is a link.
        """
        with (
            self._opened() as folder,
            self._open(name, os.O_RDONLY, folder) as descriptor,
            os.fdopen(os.dup(descriptor), "rb") as file,
        ):
            file.seek(offset)
            return file.read().decode(errors="replace")

    def size(self, name: str) -> int:
        """The size of the file ``name``; 0 if there is none. For a link, its own size."""
        try:
            with self._opened() as folder:
                return os.stat(name, dir_fd=folder, follow_symlinks=not self.account.switch).st_size
        except FileNotFoundError:
            return 0

    def write(self, name: str, text: str) -> None:
        """Replace the file by one with this text, readable only by its account."""
        unfinished = f"{name}.unfinished"
        with self._opened() as folder:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(unfinished, dir_fd=folder)
            new = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with self._open(unfinished, new, folder) as descriptor:
                with os.fdopen(os.dup(descriptor), "wb") as file:  # writes all of it, or raises
                    file.write(text.encode())
                self.account.own(descriptor)
            os.replace(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)

    def remove(self, name: str) -> None:
        """Remove the file or link ``name``, if there is one."""
        with contextlib.suppress(FileNotFoundError), self._opened() as folder:
            os.unlink(name, dir_fd=folder)

    def rename(self, name: str, to: str) -> None:
        """Rename the file ``name`` within the folder."""
        with self._opened() as folder:
            os.replace(name, to, src_dir_fd=folder, dst_dir_fd=folder)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(self._open(str(self.base), os.O_DIRECTORY))
            for name in self.inside:
                folder = stack.enter_context(self._open(name, os.O_DIRECTORY, folder))
            yield folder

    @contextlib.contextmanager
    def _open(self, name: str, flags: int, folder: int | None = None) -> Iterator[int]:
        flags |= os.O_CLOEXEC | (os.O_NOFOLLOW if self.account.switch else 0)
        try:
            descriptor = os.open(name, flags, 0o600, dir_fd=folder)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.base / name)) from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)
