"""What ``hpotool workers`` shows, without starting a command for each look."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from hpotool.api.fleet import read_fleet
from hpotool.server import EmbeddedPostgres
from hpotool.storage.control.creation import find_study_id
from hpotool.storage.database.connection import Connection
from tests.acceptance.command_line import CommandLine


def rows_of(hpotool: CommandLine, study: str) -> list[dict[str, Any]]:
    """The table's rows, of whoever has not left, as the command line of the test would see them."""
    url = EmbeddedPostgres(Path(hpotool.environment["HPOTOOL_HOME"])).url()
    with pytest.MonkeyPatch.context() as patch, contextlib.closing(Connection(url)) as connection:
        for name, value in hpotool.environment.items():
            patch.setenv(name, value)
        fleet = read_fleet(connection.run, find_study_id(connection, study))
    return [row.as_data() for row in fleet.rows if row.state != "left"]
