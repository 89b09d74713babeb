from __future__ import annotations

import pytest

from tests.acceptance.command_line import CommandLine


@pytest.fixture
def hpotool(database_url: str) -> CommandLine:
    """The installed command line on a fresh, empty database."""
    return CommandLine(database_url)
