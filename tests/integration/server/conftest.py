"""Homes with an embedded Postgres in them: made once per run and copied, since making one takes seconds."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpotool.server import EmbeddedPostgres, folder
from tests.postgres import free_port, locked, open_folder, run_folder


@pytest.fixture
def empty_home(hpotool_home: Path) -> Iterator[Path]:
    """A home without a database; whatever runs there afterwards is stopped."""
    yield hpotool_home
    EmbeddedPostgres(hpotool_home).destroy()


@pytest.fixture
def home(empty_home: Path) -> Path:
    """A home whose Postgres was created and stopped."""
    original = run_folder() / "embedded-original"
    with locked(run_folder()):
        if not original.exists():
            unfinished = open_folder("embedded")
            server = EmbeddedPostgres(unfinished)
            server.start()
            server.stop()
            unfinished.rename(original)
    subprocess.run(["cp", "-a", f"{original}/.", empty_home], check=True)
    # A port of its own: tests that run at the same time must not take it while the server is down.
    state = empty_home / "postgres" / "state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"port": free_port()}))
    return empty_home


@pytest.fixture
def closed_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home that only its owner can pass through, as /root is; the data go into the run's folder."""
    monkeypatch.setattr(folder, "_ROOTS_DATA", open_folder("var") / "lib")
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    yield home
    EmbeddedPostgres(home).destroy()
    shutil.rmtree(home)
