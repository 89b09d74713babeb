from __future__ import annotations

import platform

import pytest

from hpotool.origins.environment import environment_part, read_environment


def test_python_packages_and_cpu_are_named() -> None:
    found = read_environment()
    assert found["python"] == platform.python_version()
    assert found["packages"]["optuna"].startswith("5.")
    assert " x " in found["cpu"]
    assert "gpus" not in found
    assert "image" not in found


def test_gpus_driver_and_image_belong_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = environment_part()
    assert plain.hash == environment_part().hash
    monkeypatch.setenv("HPOTOOL_IMAGE", "registry/train:7")
    found = environment_part(["H100"], "550.1")
    assert (found.content["gpus"], found.content["driver"]) == (["H100"], "550.1")
    assert found.content["image"] == "registry/train:7"
    assert found.hash != plain.hash
