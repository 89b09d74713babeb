"""How a worker leaves: at once when it holds nothing, else saying what it does, with a code that says why."""

import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.faults.fleet import Fleet, Kind, wait_until
from tests.postgres import TestServer

HERE = "tests.faults.misbehaving"
STOPS = [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2]


def waiting_fleet(url: str, folder: Path, budget: int = 2, function: str = "waits") -> Fleet:
    return Fleet(url, folder, budget, kind=Kind(function=f"{HERE}:{function}"))


def log_of(fleet: Fleet) -> str:
    return "\n".join(fleet.logs())


def catches(process: subprocess.Popen[bytes], number: int) -> bool:
    """Whether the process has a handler for the signal, as the kernel says."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    [mask] = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")]
    return bool(int(mask, 16) >> (number - 1) & 1)


def is_held_back(process: subprocess.Popen[bytes], number: int) -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text()
    [mask] = [line.split()[1] for line in status.splitlines() if line.startswith("SigBlk")]
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.parametrize("number", STOPS)
def test_a_worker_that_a_signal_stopped_leaves_with_75_while_there_is_work(
    number: int, database_url: str, tmp_path: Path
) -> None:
    fleet = waiting_fleet(database_url, tmp_path)
    worker = fleet.start_worker()
    wait_until((tmp_path / "began").exists, "the trial")
    worker.send_signal(number)
    assert worker.wait(60) == 75, fleet.logs()
    assert "handing trial 0 back: it has 30 s to save a checkpoint" in log_of(fleet)
    assert {state for state, _, _ in fleet.trials().values()} == {"FAIL", "WAITING"}


def test_ctrl_c_is_answered_at_once_and_leaves_with_130(database_url: str, tmp_path: Path) -> None:
    fleet = waiting_fleet(database_url, tmp_path)
    worker = fleet.start_worker()
    wait_until((tmp_path / "began").exists, "the trial")
    worker.send_signal(signal.SIGINT)
    wait_until(
        lambda: "finishing trial 0, then leaving; Ctrl-C again hands it back now" in log_of(fleet), "an answer"
    )
    assert worker.poll() is None
    worker.send_signal(signal.SIGINT)
    assert worker.wait(60) == 130, fleet.logs()
    assert "leaving: asked to leave: Ctrl-C" in log_of(fleet)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_whose_study_is_done_or_stopped_leaves_with_0(
    number: int, database_url: str, tmp_path: Path
) -> None:
    fleet = waiting_fleet(database_url, tmp_path, 1, "waits_for_a_file")
    worker = fleet.start_worker()
    wait_until((tmp_path / "began").exists, "the trial")
    fleet.connection.run("UPDATE hpotool.study_settings SET state = 'draining'")
    worker.send_signal(number)
    (tmp_path / "go").touch()
    assert worker.wait(60) == 0, fleet.logs()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_during_the_import_of_the_objective_is_heard(
    number: int, database_url: str, tmp_path: Path
) -> None:
    fleet = waiting_fleet(database_url, tmp_path)
    (tmp_path / "study_code.py").write_text(
        f"import pathlib, time; pathlib.Path({str(tmp_path / 'importing')!r}).touch(); time.sleep(600)\n"
    )
    worker = fleet.start_worker()
    wait_until((tmp_path / "importing").exists, "the import")
    worker.send_signal(number)
    assert worker.wait(30) == (130 if number == signal.SIGINT else 75), fleet.logs()
    wait_until(lambda: not _with_marker(fleet.marker), "the importing process to be gone")


def _with_marker(marker: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if marker in process.environ().values() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.mark.parametrize("number", [*STOPS, signal.SIGINT])
def test_a_signal_in_the_first_moment_is_heard(number: int, database_url: str, tmp_path: Path) -> None:
    fleet = waiting_fleet(database_url, tmp_path)
    worker = fleet.start_worker()
    wait_until(
        lambda: is_held_back(worker, number) or catches(worker, signal.SIGTERM), "Python to run our first line"
    )
    worker.send_signal(number)
    assert worker.wait(30) == (130 if number == signal.SIGINT else 75), fleet.logs()
    assert f"leaving: {'Ctrl-C' if number == signal.SIGINT else signal.Signals(number).name}" in log_of(fleet)


def test_several_workers_leave_with_what_the_signal_means(database_url: str, tmp_path: Path) -> None:
    fleet = waiting_fleet(database_url, tmp_path)
    parent = fleet.start_worker(more=["--workers", "2"])
    began = tmp_path / "began"
    wait_until(lambda: began.exists() and len(began.read_text().split()) == 2, "both trials")
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(60) == 75, fleet.logs()
    states = [state for state, _, _ in fleet.trials().values()]
    assert sorted(states) == ["FAIL", "FAIL", "WAITING", "WAITING"]


def test_a_worker_waits_for_its_database(own_postgres: TestServer, tmp_path: Path) -> None:
    fleet = Fleet(
        own_postgres.url("postgres"), tmp_path, 1, kind=Kind(function=f"{HERE}:returns_at_once", space="")
    )
    fleet.connection.close()
    own_postgres.stop()
    impatient = fleet.start_worker()
    assert impatient.wait(60) == 4
    assert fleet.start_worker(more=["--wait-for-database", "1s"]).wait(60) == 4
    patient = fleet.start_worker(more=["--wait-for-database", "5m"])
    wait_until(lambda: "; waiting" in (tmp_path / "worker-2.log").read_text(), "that it waits")
    own_postgres.start()
    assert patient.wait(60) == 0, fleet.logs()
    assert fleet.is_done()
