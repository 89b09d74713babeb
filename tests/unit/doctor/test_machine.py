from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version

from hpotool.doctor.machine import _PASSWORD, MACHINE, Machine, _is_admitted, _parse_requirement
from hpotool.worker.membership.identity import identify_worker


@pytest.fixture
def machine(hpotool_home: Path) -> Machine:
    return Machine(hpotool_home, dict(os.environ))


def test_requirements_are_compared_with_what_is_installed(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MACHINE.look("packages", machine).verdict == "ok"
    old = tmp_path / "typer-0.1.dist-info"
    old.mkdir()
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: typer\nVersion: 0.1\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    found = MACHINE.look("packages", machine)
    bounds = next(bounds for name, bounds in map(_parse_requirement, requires("hpotool") or ()) if name == "typer")
    assert (found.verdict, found.says) == ("broken", f"typer 0.1 (needs {bounds})")


def test_a_pulse_and_a_config_that_make_no_sense_are_broken(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPOTOOL_GRACE_PERIOD_S", "1")
    assert MACHINE.look("pulse", machine).verdict == "broken"
    config = tmp_path / "config.yaml"
    config.write_text("storrage: x")
    monkeypatch.setenv("HPOTOOL_CONFIG", str(config))
    assert MACHINE.look("config file", machine).verdict == "broken"


@pytest.mark.parametrize(
    ("text", "mode", "verdict"),
    [
        ("storage: postgresql://me:s3cret@db/x", 0o644, "warning"),
        ("storage: postgresql://me:s3cret@db/x", 0o600, "ok"),
        ("storage: postgresql://me@db/x", 0o644, "ok"),
    ],
)
def test_a_password_that_others_can_read_is_said(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, mode: int, verdict: str
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text)
    config.chmod(mode)
    monkeypatch.setenv("HPOTOOL_CONFIG", str(config))
    found = MACHINE.look("config file's secret", machine)
    assert found.verdict == verdict
    assert "s3cret" not in found.says + found.remedy


def test_a_home_that_cannot_be_written_and_a_missing_temporary_folder_are_broken(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    machine = Machine(tmp_path / "file" / "home", {"TMPDIR": str(tmp_path / "gone")})
    assert MACHINE.look("home folder", machine).verdict == "broken"
    assert MACHINE.look("temporary folder", machine).verdict == "broken"


def test_results_that_wait_and_logs_that_fill_the_disk_are_said(machine: Machine) -> None:
    (machine.home / "spool" / "db").mkdir(parents=True)
    own = identify_worker("cpu")
    spooled = machine.home / "spool" / "db" / "attempt.json"
    spooled.write_text(json.dumps({"worker": vars(own)}))
    assert MACHINE.look("unsent results", machine).verdict == "ok", "its worker lives, and sends it"
    spooled.write_text(json.dumps({"worker": {**vars(own), "process_start": "of another process"}}))
    assert MACHINE.look("unsent results", machine).verdict == "warning"
    (machine.home / "logs").mkdir()
    with (machine.home / "logs" / "big").open("w") as file:
        file.truncate(30 << 30)  # takes no room: nothing is written
    assert MACHINE.look("logs", machine).verdict == "warning"


def test_another_hpotool_on_the_path_is_said(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "hpotool").write_text("#!/opt/other/bin/python\n")
    (tmp_path / "hpotool").chmod(0o755)
    here = Path(sys.executable).parent
    for path, verdict in ((str(tmp_path), "warning"), ("/nowhere", "warning"), (str(here), "ok")):
        assert MACHINE.look("program", Machine(machine.home, {"PATH": path})).verdict == verdict


def test_what_an_attempt_left_running_is_found_and_what_shows_a_password(machine: Machine) -> None:
    # setsid -f: its parent has gone, as a killed worker has.
    # What it says is waited for: while a program takes another's place, its arguments are empty.
    script = "setsid -f sh -c 'echo here; sleep 600; : postgresql://me:s3cret@db/x'"
    environment = {**os.environ, "HPOTOOL_TRIAL": "3", "HPOTOOL_TEST_MARK": str(machine.home)}
    said, says = os.pipe()
    subprocess.run(["sh", "-c", script], env=environment, check=True, stdout=says)
    os.close(says)
    assert os.read(said, 100) == b"here\n"
    os.close(said)
    own = _marked(str(machine.home))
    try:
        left = MACHINE.look("left processes", machine)
        shown = MACHINE.look("password in arguments", machine)
    finally:
        while found := _marked(str(machine.home)):  # a shell that is killed may just have started its sleep
            for process in found:
                process.kill()
    assert own
    assert left.verdict == "warning"
    assert {str(process.pid) for process in own} <= set(left.remedy.split())
    assert shown.verdict == "warning"
    assert "s3cret" not in shown.says


def _marked(mark: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _has_mark(process, mark)]


def _has_mark(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get("HPOTOOL_TEST_MARK") == mark
    except psutil.Error:
        return False


VERSIONS = st.lists(st.integers(0, 30), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
BOUNDS = st.lists(st.tuples(st.sampled_from([">=", "<"]), VERSIONS).map("".join), max_size=2).map(",".join)


@given(VERSIONS, BOUNDS)
def test_a_release_is_admitted_exactly_if_pip_admits_it(installed: str, bounds: str) -> None:
    assert _is_admitted(installed, bounds) is Requirement(f"x{bounds}").specifier.contains(Version(installed))


@given(
    st.sampled_from(["x", "a.b-c_d", "psycopg2-binary"]),
    st.sampled_from(["", "[binary]", "[a,b]"]),
    BOUNDS,
    st.sampled_from(["", "; extra == 'dev'", " ; python_version < '3.11'"]),
    st.booleans(),
)
def test_a_requirement_is_read_as_pip_reads_it(
    name: str, extras: str, bounds: str, marker: str, in_brackets: bool
) -> None:
    written = f"{name}{extras}" + (f" ({bounds})" if in_brackets and bounds else bounds) + marker
    meant = Requirement(written)
    found_name, found_bounds = _parse_requirement(written)
    assert found_name == meant.name
    assert set(filter(None, found_bounds.split(","))) == {str(each) for each in meant.specifier}


@pytest.mark.parametrize(
    ("text", "shows"),
    [
        ("postgresql://me:pw@host/db", True), ("postgres://:pw@host/db", True),
        ("postgresql+psycopg2://a:b@h", True),
        ("postgresql://me@host/db?password=pw", True), ("postgresql://h/db?sslmode=require&sslpassword=x", True),
        ("storage: postgresql://me:p%40w@host/db", True), ("postgresql://me@host:5432/db", False),
        ("postgresql://host:5432/db", False), ("postgresql://me@h/db?sslmode=require", False), ("", False),
        ("postgresql://me@host/db?passfile=/x", False), ("http://me:pw@host", False),
    ],
)  # fmt: skip
def test_a_password_is_seen_wherever_a_url_may_have_it(text: str, shows: bool) -> None:
    assert bool(_PASSWORD.search(text)) is shows
