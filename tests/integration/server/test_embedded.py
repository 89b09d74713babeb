"""The embedded Postgres as its users meet it: one server, kept safe, alive after the command that started it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import psutil
import psycopg2
import pytest

from hpotool.errors import NotFoundError
from hpotool.server import EmbeddedPostgres
from hpotool.server.account import make_reachable, server_account
from hpotool.server.binaries import all_binaries, find_binaries
from hpotool.storage.database.url import DatabaseUrl
from tests.child_processes import child_process
from tests.postgres import open_folder
from tests.unprivileged import IS_ROOT, as_ordinary_user, own

START = (
    "import sys, pathlib; from hpotool.server import EmbeddedPostgres as E; E(pathlib.Path(sys.argv[1])).start()"
)


def query(url: DatabaseUrl, statement: str) -> list[tuple]:
    connection = psycopg2.connect(url.libpq)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_four_commands_that_need_a_server_at_once_get_the_same_one(empty_home: Path) -> None:
    def start(_: int) -> int:
        return subprocess.run(
            [sys.executable, "-c", START, empty_home], check=True, capture_output=True
        ).returncode

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(start, range(4))) == [0, 0, 0, 0]
    servers = [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if str(empty_home) in " ".join(process.info["cmdline"] or []) and "-D" in process.info["cmdline"]
    ]
    assert servers == [EmbeddedPostgres(empty_home).status().process_id]


def test_it_is_found_running_the_second_time(home: Path) -> None:
    server = EmbeddedPostgres(home)
    first, second = server.start(), server.start()
    assert (first.was_running, second.was_running) == (False, True)
    assert first.url == second.url == server.url()
    assert server.status().state == "running"


def test_a_home_of_any_length_has_one(home: Path) -> None:  # Postgres's own socket would not fit into it
    far = home / "/".join(["a-folder-of-a-research-group"] * 5)
    far.mkdir(parents=True)
    (home / "postgres").rename(far / "postgres")
    try:
        EmbeddedPostgres(far).start()
        assert EmbeddedPostgres(far).status().state == "running"
    finally:
        EmbeddedPostgres(far).destroy()


def test_only_the_owner_can_read_the_passwords_and_nothing_shows_them(home: Path) -> None:
    server = EmbeddedPostgres(home)
    started = server.start()
    secrets = [home / "postgres" / name for name in ("password", "superuser-password")]
    assert [stat.S_IMODE(secret.stat().st_mode) for secret in secrets] == [0o600, 0o600]
    shown = repr(started) + repr(server.status()) + server.status().log.read_text()
    shown += " ".join(" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))
    for secret in secrets:
        assert len(secret.read_text()) > 20
        assert secret.read_text() not in shown
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(started.url.url.set(drivername="postgresql", password="guess").render_as_string(False))


def test_its_role_owns_one_database_and_is_no_superuser(home: Path) -> None:
    url = EmbeddedPostgres(home).start().url
    assert query(
        url, "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
    ) == [(False, False, False)]
    query(url, "CREATE SCHEMA hpotool")
    optuna.create_study(study_name="mine", storage=url.sqlalchemy)
    assert optuna.get_all_study_names(url.sqlalchemy) == ["mine"]


def test_what_was_committed_survives_a_power_cut(home: Path) -> None:
    url = EmbeddedPostgres(home).start().url
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert query(url, f"SHOW {setting}") == [("on",)]


def test_it_outlives_the_terminal_and_inherits_nothing(home: Path, tmp_path: Path) -> None:
    inherited = tmp_path / "inherited"
    script = f"import os; os.set_inheritable(os.open({str(inherited)!r}, os.O_CREAT | os.O_WRONLY), True); {START}"
    with child_process([sys.executable, "-c", script, home], start_new_session=True) as command:
        assert command.wait(60) == 0
    process_id = EmbeddedPostgres(home).status().process_id
    assert process_id is not None
    assert os.getsid(process_id) != command.pid
    with pytest.raises(ProcessLookupError):  # nobody is left in the command's session to be hung up
        os.killpg(command.pid, signal.SIGHUP)
    if Path("/proc").is_dir():
        open_files = {str(entry.readlink()) for entry in Path(f"/proc/{process_id}/fd").iterdir()}
        assert str(inherited) not in open_files
        assert str(home / "postgres" / "running") in open_files


def test_a_killed_server_starts_again_with_what_was_committed(home: Path) -> None:
    server = EmbeddedPostgres(home)
    url = server.start().url
    query(url, "CREATE TABLE kept AS SELECT 42 AS x")
    os.kill(server.status().process_id, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(server.status().process_id)] if server.status().process_id else [], 30)
    assert server.start().was_running is False
    assert query(url, "SELECT x FROM kept") == [(42,)]


def test_a_log_that_has_grown_is_put_aside_once(home: Path) -> None:
    server = EmbeddedPostgres(home)
    log = server.status().log
    os.truncate(log, 11_000_000)
    server.start()
    assert log.stat().st_size < 100_000
    assert log.with_name("log.1").stat().st_size == 11_000_000


def test_a_pid_file_that_names_another_living_process_is_stale(home: Path) -> None:
    server = EmbeddedPostgres(home)
    arguments = server_account().popen_arguments() if IS_ROOT else {}
    with child_process(["sleep", "300"], **arguments) as other:
        pid_file = server.status().data / "postmaster.pid"
        pid_file.write_text(f"{other.pid}\n{pid_file.parent}\n1700000000\n5433\n\n127.0.0.1\n")
        assert server.status().state == "stopped"
        assert server.stop() is False
        assert server.start().was_running is False
        assert other.poll() is None
        other.kill()


def test_a_command_killed_while_it_created_the_server_leaves_nothing_in_the_way(empty_home: Path) -> None:
    with child_process([sys.executable, "-c", START, empty_home], start_new_session=True) as command:
        while not list(empty_home.glob("postgres/server/data.unfinished/*")):
            assert command.poll() is None
        command.kill()
    server = EmbeddedPostgres(empty_home)
    assert query(server.start().url, "SELECT 1") == [(1,)]


def test_stop_and_destroy_say_whether_there_was_anything(home: Path) -> None:
    server = EmbeddedPostgres(home)
    assert server.stop() is False
    server.start()
    assert server.stop() is True
    assert server.status().state == "stopped"
    server.start()
    assert server.destroy() is True
    assert server.status().state == "absent"
    assert server.destroy() is False
    assert not (home / "postgres").exists()


def test_asking_creates_nothing(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "home")
    assert server.status().state == "absent"
    assert server.stop() is False
    with pytest.raises(NotFoundError, match="no embedded Postgres"):
        server.url()
    assert list(tmp_path.iterdir()) == []


def test_an_ordinary_user_has_one_too(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = open_folder("ordinary")
    own(home)
    # The ordinary user may not be able to reach root's virtual environment, where the wheel's programs are.
    programs = make_reachable(find_binaries(), server_account(), open_folder("programs"))
    monkeypatch.setenv("PATH", f"{programs.folder}:{os.environ['PATH']}")

    def use_it() -> tuple[list[tuple], list[str], int, bool]:
        server = EmbeddedPostgres(home)
        answer = query(server.start().url, "SELECT 6 * 7")
        owner = psutil.Process(server.status().process_id).uids().real
        modes = [
            oct(stat.S_IMODE((home / "postgres" / name).stat().st_mode)) for name in (".", "server", "password")
        ]
        return answer, modes, owner - os.getuid(), server.destroy()

    assert as_ordinary_user(use_it) == ([(42,)], ["0o700", "0o700", "0o600"], 0, True)


@pytest.mark.skipif(not IS_ROOT, reason="only root has to run Postgres as somebody else")
def test_root_has_one_although_its_home_is_closed_to_others(closed_home: Path) -> None:
    server = EmbeddedPostgres(closed_home)
    assert query(server.start().url, "SELECT 1") == [(1,)]
    data = server.status().data
    assert psutil.Process(server.status().process_id).uids().real != 0
    assert closed_home not in data.parents
    assert stat.S_IMODE(data.parent.stat().st_mode) == 0o700
    assert server.destroy() is True
    assert not data.parent.exists()


@pytest.mark.parametrize("major", sorted({binaries.major for binaries in all_binaries()}))
def test_every_version_at_hand_works(empty_home: Path, monkeypatch: pytest.MonkeyPatch, major: int) -> None:
    programs = find_binaries(major)
    monkeypatch.setenv("PATH", f"{programs.folder}:{os.environ['PATH']}")
    server = EmbeddedPostgres(empty_home)
    url = server.start().url
    assert server.status().version == major
    assert query(url, "SELECT current_setting('server_version_num')::int / 10000") == [(major,)]
    optuna.create_study(study_name="mine", storage=url.sqlalchemy)
