"""The checkpoint store that ``--checkpoints`` names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpotool.errors import CheckpointStoreError, InputError
from hpotool.worker.checkpoints.store_calls import Patience, StoreCalls

_PASSWORD = re.compile("://[^/@]*@")


@dataclass(frozen=True)
class CheckpointLocation:
    """``--checkpoints``: a folder, or a URL with the file system that reads it."""

    path: str
    remote: Any = None  # fsspec's AbstractFileSystem

    @classmethod
    def parse(cls, text: str) -> CheckpointLocation:
        """Read a path or a URL.

        Raises:
            InputError: no installed package can read the URL.
        """
        if "://" not in text:
            return cls(str(Path(text).expanduser().absolute()))
        try:
            import fsspec
        except ImportError as error:
            raise InputError(f"{text} needs fsspec", "pip install 'hpotool[fsspec]'") from error
        try:
            remote, path = StoreCalls(text, Patience()).call(fsspec.core.url_to_fs, text)
        except (CheckpointStoreError, FileNotFoundError) as error:
            shown = _PASSWORD.sub("://…@", text)
            raise InputError(
                f"the store {shown} cannot be used: {error.__cause__ or error}",
                "a folder like /shared/checkpoints, or a URL of fsspec like s3://bucket/folder",
            ) from error
        return cls(path.rstrip("/"), remote)

    @property
    def name(self) -> str:
        """Its name in messages."""
        return self.path if self.remote is None else str(self.remote.unstrip_protocol(self.path))
