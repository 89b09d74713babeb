import struct
from pathlib import Path
from typing import Any

import pytest

from hpotool.tracking.targets.wandb_file import read_records, wait_until_whole


def record_of_wandb(number: int) -> Any:
    return pytest.importorskip("wandb.proto.wandb_internal_pb2").Record(num=number)


def record(number: int, length: int = 0) -> bytes:
    made = record_of_wandb(number)
    made.run.notes = "x" * length
    return bytes(made.SerializeToString())


def end(number: int) -> bytes:
    made = record_of_wandb(number)
    made.exit.exit_code = 1
    return bytes(made.SerializeToString())


def log(*records: bytes) -> bytes:
    """The records as LevelDB's log: in blocks, each record in as many parts as it takes."""
    whole = b":W&B\xa1\xbe\x00"
    for data in records:
        place, is_first = 0, True
        while is_first or place < len(data):
            left = 32768 - len(whole) % 32768
            if left < 7:
                whole += b"\0" * left
                continue
            part = data[place : place + left - 7]
            place += len(part)
            is_last = place == len(data)
            kind = {(True, True): 1, (True, False): 2, (False, False): 3, (False, True): 4}[is_first, is_last]
            whole += struct.pack("<IHB", 0, len(part), kind) + part
            is_first = False
    return whole


@pytest.mark.parametrize("length", [0, 10, 32700, 32745, 32746, 32747, 32748, 32749, 32750, 100_000])
def test_records_come_back_whatever_their_length(tmp_path: Path, length: int) -> None:
    path = tmp_path / "run.wandb"
    path.write_bytes(log(record(1, length), record(2, 3 * length), end(3)))
    found = list(read_records(path))
    assert [each.num for each in found] == [1, 2, 3]
    assert [len(each.run.notes) for each in found] == [length, 3 * length, 0]


def test_a_file_that_is_cut_anywhere_holds_the_records_before(tmp_path: Path) -> None:
    path = tmp_path / "run.wandb"
    whole = log(record(1, 30), record(2, 40000), end(3))
    for size in [*range(120), *range(32760, 32790), len(whole) - 1]:
        path.write_bytes(whole[:size])
        assert [each.num for each in read_records(path)] in ([], [1], [1, 2])


def test_a_run_is_whole_once_its_end_is_written(tmp_path: Path) -> None:
    path = tmp_path / "run.wandb"
    path.write_bytes(log(record(1)))
    with pytest.raises(TimeoutError, match="was not finished within"):
        wait_until_whole(path, 0.05)
    path.write_bytes(log(record(1), end(2)))
    wait_until_whole(path, 0)
