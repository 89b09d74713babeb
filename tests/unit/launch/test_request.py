from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from hpotool.errors import InputError
from hpotool.launch.request import Request, grace_within, new_launch_id
from hpotool.study.units import parse_duration
from tests.unit.launch.requests import request


def test_a_request_comes_back_from_the_database_as_it_was() -> None:
    asked = request("ssh", worker_options=("--no-breaker",), options={"hosts": ["a", "b"]}, checkpoints="s3://b/c")
    stored = json.loads(json.dumps(asked.as_data()))
    assert Request.from_data(stored) == asked
    assert Request.from_data({**stored, "of_a_younger_hpotool": 1}) == asked


@pytest.mark.parametrize(("gpus", "place", "expected"), [(0, 0, "none"), (1, 0, "0"), (1, 3, "3"), (2, 1, "2,3")])
def test_each_place_of_a_machine_has_gpus_of_its_own(gpus: int, place: int, expected: str) -> None:
    assert request("ssh", gpus=gpus).first_gpus(place) == expected


def test_the_last_words_are_the_users() -> None:
    words = request("slurm", checkpoints="/shared", worker_options=("--gpu", "none")).worker_words()
    assert words[:4] == ["/opt/env/bin/hpotool", "worker", "--study", "my model/2"]
    assert words[-2:] == ["--gpu", "none"]
    assert words[words.index("--checkpoints") + 1] == "/shared"
    assert words[words.index("--grace") + 1] == "30s"


@pytest.mark.parametrize("where", [{}, {"pool": "gpus"}, {"worker_options": ("--wait-for-database", "1h")}])
def test_a_worker_that_is_launched_while_the_database_is_away_waits_for_it(where: dict[str, Any]) -> None:
    words = request("kubernetes", **where).worker_words()
    option = [words[place + 1] for place, word in enumerate(words) if word == "--wait-for-database"]
    assert option[0] == "5m"
    assert option[-1] == ("1h" if "worker_options" in where else "5m"), "the last one counts"


def test_the_workers_of_a_pool_serve_the_pool_and_not_the_study_of_the_record() -> None:
    words = request("slurm", pool="gpus").worker_words()
    assert words[:4] == ["/opt/env/bin/hpotool", "worker", "--pool", "gpus"]
    assert "--study" not in words


def test_a_worker_hands_back_before_the_system_kills_it() -> None:
    assert grace_within(60, "Slurm") == 50
    with pytest.raises(InputError, match="kills a job 10 s after") as refused:
        grace_within(10, "Slurm")
    assert "15 s" in str(refused.value.hint)


def test_no_two_launches_have_one_name() -> None:
    assert len({new_launch_id("ssh") for _ in range(50)}) == 50
    assert new_launch_id("ssh").startswith("ssh-")


def test_a_long_grace_is_one_that_a_worker_reads() -> None:
    words = request("slurm", grace_s=1_000_000.0).worker_words()
    assert parse_duration(words[words.index("--grace") + 1]) == timedelta(seconds=1_000_000)
