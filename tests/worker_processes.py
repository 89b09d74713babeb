"""Objectives that take their trial to other processes and threads, or disturb the way to the worker."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import pickle
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hpotool.worker.process.attempt_socket import connect_to_attempt


def wait_to_stop(trial: Any, place: int) -> None:
    """A rank that trains until its attempt is asked to stop."""
    trial.report(float(place), place)
    while not trial.should_stop():
        time.sleep(0.01)


def stops_in_other_processes(trial: Any) -> None:
    """One forked, one spawned: both must hear it, the objective's own process alone gets the signal."""
    ranks = [
        multiprocessing.get_context(method).Process(target=wait_to_stop, args=(trial, place))
        for place, method in enumerate(("fork", "spawn"))
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    assert [rank.exitcode for rank in ranks] == [0, 0]


MESSAGES: list[Any] = [
    {"end": "complete", "reason": None, "values": ["a"], "extra": {}},
    {"end": "complete", "reason": None, "values": None, "extra": {}},
    {"end": "no outcome", "reason": None},
    {"end": ["complete"], "reason": None},
    {"end": "error", "reason": {"a": 1}},
    {"do": 7},
    {},
    [1, 2],
    None,
]
FRAMED = [
    json.dumps({"at": 1, **message} if isinstance(message, dict) else message).encode() for message in MESSAGES
] + [
    b'{"do": "report"}',
    b'{"do": "report", "at": "now"}',
    b"\xff\xfe",
    b"",
    b"[" * 200_000,
    b'{"do"',
    b"NaN",
]
GARBAGE = [struct.pack("!I", len(body)) + body for body in FRAMED] + [b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 5000]
# Requests that say nothing which the worker knows: the answer is an error, for who has asked.
NONSENSE: list[dict[str, Any]] = [
    {"do": "format"},
    {"do": "suggest"},
    {"do": "suggest", "name": [], "distribution": {}},
    {"do": "report", "values": [1], "step": "x"},
    {"do": "get_trials", "states": ["x"]},
    {"do": "read_study", "name": "_storage"},
]


def writes_into_its_own_socket(trial: Any) -> float:
    trial._link._connection._channel.socket.sendall(GARBAGE[trial.number])
    time.sleep(3600)
    return 1.0


def has_others_write_nonsense(trial: Any) -> float:
    """Whatever other processes send, the objective's own goes on."""
    address = trial._link._address
    for garbage in GARBAGE:
        channel = connect_to_attempt(address)
        channel.socket.sendall(garbage)
        channel.socket.shutdown(socket.SHUT_WR)
        assert channel.socket.recv(1) == b""  # the worker has hung up
    for request in NONSENSE:
        try:
            trial._link.ask(request)
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
        raise AssertionError(request)
    return trial.suggest_float("x", 0, 1) * 0 + 1.0


def asks_after_others_have_reported(trial: Any) -> float:
    """With a pruner that ends whatever has last reported more than 0.5. Processes report and ask in turn."""
    context = multiprocessing.get_context("fork")
    for step in range(0, 40, 2):
        reporting = context.Process(target=trial.report, args=(float(step % 4), step))
        reporting.start()
        reporting.join()
        assert trial.should_prune() is (step % 4 > 0), step
        trial.report(float(step % 4 == 0), step + 1)
        asking = context.Process(target=_expect_verdict, args=(trial, step % 4 == 0))
        asking.start()
        asking.join()
        assert asking.exitcode == 0, step
    return 1.0


def _expect_verdict(trial: Any, verdict: bool) -> None:
    assert trial.should_prune() is verdict


def forks_many(trial: Any) -> float:
    """More processes than the worker listens to at the same time, each with a question of its own."""
    processes = [multiprocessing.get_context("fork").Process(target=_ask, args=(trial,)) for _ in range(40)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert {process.exitcode for process in processes} == {0}
    return 1.0


def _ask(trial: Any) -> None:
    trial.suggest_float("x", 0, 1)
    assert not trial.should_stop()


def leaves_a_thread_that_never_ends(trial: Any) -> float:
    def never_ends() -> None:
        while True:
            time.sleep(1)

    threading.Thread(target=never_ends).start()
    return 0.25


def leaves_an_exit_handler_that_fails(trial: Any) -> float:
    import atexit

    atexit.register(lambda: 1 / 0)
    return 1.0


def is_used_in_a_fork(trial: Any) -> float:
    """With isolation: none. The worker's connection must not be used by a second process."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            trial.report(1.0, 0)
            os.write(writing, b"it was taken")
        except RuntimeError as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.wait()
    assert b"use isolation: process" in os.read(reading, 1000)
    with pytest.raises(TypeError, match="use isolation: process"):
        pickle.dumps(trial)
    copied = copy.deepcopy(trial)
    copied.report(1.0, 0)
    return float(copied.suggest_float("x", 0, 1) == trial.suggest_float("x", 0, 1))


def reads_its_environment(trial: Any) -> float:
    trial.set_user_attr("found", [os.environ.get("GREETING"), os.environ.get("HPOTOOL_TRIAL")])
    return 1.0


def imports_for_ever(folder: Path) -> None:
    """What a module does whose import waits for a lock that nobody gives back."""
    (folder / "importing").write_text(str(os.getpid()))
    while True:
        time.sleep(1)


def closes_every_file(trial: Any) -> dict[str, float]:
    """As a daemon does on its way into the background; its socket to the worker is among them."""
    os.closerange(0, 4096)
    return {"loss": 0.25, "beside": 3}


def closes_every_file_and_raises(trial: Any) -> float:
    os.closerange(0, 4096)
    raise ValueError("nobody hears it")
