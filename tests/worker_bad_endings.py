"""Ways for an objective to end badly. Each runs in a child process of its own, never in the test's."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import optuna


def raises(trial: optuna.Trial) -> float:
    sys.stdout.write("about to fail\n")
    raise KeyError("no such\ncolumn")


def raises_without_any_output(trial: optuna.Trial) -> float:
    sys.stderr.close()
    os.close(2)
    raise ValueError("nobody hears it")


def raises_from_itself(trial: optuna.Trial) -> float:
    error = ValueError("its own cause")
    raise error from error


def raises_what_is_no_exception(trial: optuna.Trial) -> float:
    raise GeneratorExit("quitting")


def calls_sys_exit(trial: optuna.Trial) -> float:
    sys.exit(3)


def calls_os_exit(trial: optuna.Trial) -> float:
    os._exit(7)


def segfaults(trial: optuna.Trial) -> float:
    ctypes.string_at(0)
    return 0.0


def kills_itself(trial: optuna.Trial) -> float:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0.0


def kills_its_group(trial: optuna.Trial) -> float:
    os.killpg(0, signal.SIGKILL)
    return 0.0


def aborts(trial: optuna.Trial) -> float:
    os.abort()


def loops_for_ever(trial: optuna.Trial) -> float:
    while True:
        pass


def reports_for_ever(trial: optuna.Trial) -> float:
    for step in range(10**9):
        trial.report(1.0, step)
        time.sleep(0.01)
    return 0.0


def ignores_signals_for_ever(trial: optuna.Trial) -> float:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(1)


def sleeps_without_reports(trial: optuna.Trial) -> float:
    trial.report(1.0, 0)
    time.sleep(3600)
    return 0.0


def takes_much_memory(trial: optuna.Trial) -> float:
    held = []
    while True:
        held.append(bytearray(os.urandom(1)) * (32 << 20))
        time.sleep(0.01)


def lets_a_child_take_much_memory(trial: optuna.Trial) -> float:
    process = multiprocessing.get_context("fork").Process(target=takes_much_memory, args=(None,))
    process.start()
    process.join()
    return 0.0


def exhausts_its_address_space(trial: optuna.Trial) -> float:
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    return float(len(bytearray(8 << 30)))


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


def fills_the_gpu(trial: optuna.Trial) -> float:
    raise OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def returns_nan(trial: optuna.Trial) -> float:
    return float("nan")


def returns_text(trial: optuna.Trial) -> Any:
    return "0.93"


def returns_nothing(trial: optuna.Trial) -> Any:
    return None


def returns_two_values(trial: optuna.Trial) -> Any:
    return 1.0, 2.0


def returns_another_metric(trial: optuna.Trial) -> Any:
    return {"acc": 0.5}


def returns_an_object(trial: optuna.Trial) -> Any:
    return object()


def sets_an_attribute_that_is_not_json(trial: optuna.Trial) -> float:
    trial.set_user_attr("model", threading.Lock())
    return 1.0


def suggests_twice_differently(trial: optuna.Trial) -> float:
    trial.suggest_float("x", 0, 1)
    trial.suggest_categorical("x", ["a"])
    return 1.0


# The rest end well, and leave a mess.


def leaves_a_grandchild(trial: optuna.Trial) -> float:
    subprocess.Popen(["sleep", "4711"])
    return 1.0


def leaves_a_daemon(trial: optuna.Trial) -> float:
    """Forked twice, in a session of its own, with every file closed."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 256)
            os.execvp("sleep", ["sleep", "4711"])
        os._exit(0)
    os.wait()
    return 1.0


def leaves_a_thread(trial: optuna.Trial) -> float:
    threading.Thread(target=lambda: time.sleep(3600)).start()
    return 1.0


def forks_from_threads(trial: optuna.Trial) -> float:
    def fork() -> None:
        if os.fork() == 0:
            time.sleep(3600)

    threads = [threading.Thread(target=fork) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 1.0


def closes_its_output(trial: optuna.Trial) -> float:
    sys.stdout.close()
    sys.stderr.close()
    os.close(1)
    os.close(2)
    return 1.0


def prints_a_million_lines(trial: optuna.Trial) -> float:
    for start in range(0, 1_000_000, 1000):
        sys.stdout.writelines(f"line {number}\n" for number in range(start, start + 1000))
    return 1.0


def prints_bytes_that_are_no_text(trial: optuna.Trial) -> float:
    os.write(1, b"\x00\xff\xfe broken \x00\n")
    return 1.0


def stops_its_whole_group(trial: optuna.Trial) -> float:
    """SIGSTOP: looks alive, does nothing."""
    os.kill(os.getpid(), signal.SIGSTOP)
    return 1.0


def fine(trial: optuna.Trial) -> float:
    return 2.0


def stops_when_asked(trial: Any) -> Any:
    trial.report(1.0, 0)
    while not trial.should_stop():
        time.sleep(0.01)


def finishes_when_asked(trial: Any) -> float:
    trial.report(1.0, 0)
    while not trial.should_stop():
        time.sleep(0.01)
    return 5.0


def works_in_a_tree(trial: optuna.Trial) -> float:
    """Three processes deep, one in a session of its own; each pid goes into a file when all run."""
    inner = subprocess.Popen(
        [sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '4712'], start_new_session=True)"]
    )
    trial.set_user_attr("pids", [os.getppid(), os.getpid(), inner.pid])
    while True:
        time.sleep(1)
