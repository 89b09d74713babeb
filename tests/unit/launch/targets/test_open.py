from __future__ import annotations

import pytest

from hpotool.errors import InputError
from hpotool.launch.targets.open import open_target


@pytest.mark.parametrize("name", ["local", "ssh", "slurm", "kubernetes"])
def test_a_stored_launch_finds_its_target(name: str) -> None:
    with open_target(name, {"options": {"ssh": "-p 22"}}) as target:
        assert target.name == name


def test_a_younger_target_is_refused() -> None:
    with pytest.raises(InputError, match="cannot launch by 'tape'"), open_target("tape", {}):
        pass
