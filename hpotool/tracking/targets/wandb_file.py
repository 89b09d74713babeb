"""The file that W&B's client writes of a run, and ``wandb sync`` reads: records in LevelDB's log format."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_FILE_HEADER = 7  # ":W&B", a magic number, a version
_BLOCK, _RECORD_HEADER = 32768, 7  # a record's header: checksum, length, which part of a record it is
_FULL, _FIRST, _LAST = 1, 2, 4


def read_records(path: Path) -> Iterator[Any]:
    """The records that are whole, as W&B's protobuf messages."""
    from wandb.proto.wandb_internal_pb2 import Record

    for data in _read_log(path.read_bytes()):
        yield Record.FromString(data)


def wait_until_whole(path: Path, timeout_s: float) -> None:
    """Wait until the file holds the end of its run: W&B's client says so a little earlier.

    Raises:
        TimeoutError: it does not.
    """
    until = time.monotonic() + timeout_s
    while not any(record.WhichOneof("record_type") == "exit" for record in read_records(path)):
        if time.monotonic() > until:
            raise TimeoutError(f"{path} was not finished within {timeout_s:g} s")
        time.sleep(0.02)


def _read_log(data: bytes) -> Iterator[bytes]:
    at, parts = _FILE_HEADER, b""
    while True:
        left = _BLOCK - at % _BLOCK
        if left < _RECORD_HEADER:  # no header fits: the rest of the block is padding
            at += left
        header = data[at : at + _RECORD_HEADER]
        if len(header) < _RECORD_HEADER:
            return
        _, length, part = struct.unpack("<IHB", header)
        body = data[at + _RECORD_HEADER : at + _RECORD_HEADER + length]
        if len(body) < length or part == 0:  # it is still being written
            return
        at += _RECORD_HEADER + length
        parts = body if part in (_FULL, _FIRST) else parts + body
        if part in (_FULL, _LAST):
            yield parts
