"""The page from numbers: what each metric says, text that stays text, and how often the database is asked."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hpotool.errors import InputError
from hpotool.server.metrics import METRICS, MetricsPage, render, with_metrics
from hpotool.storage.monitoring.gauges import Claims, Ended, Gauges, StudyGauges

STUDY = StudyGauges(
    "digits",
    "running",
    budget_trials=10,
    taken_over=1,
    gpu_hours="4",
    begun_s=500.0,
    trials={"COMPLETE": 5, "PRUNED": 2, "RUNNING": 1, "WAITING": 3, "FAIL": 4},
    reevaluations={"COMPLETE": 1},
    ended=(
        Ended("complete", "cpu", 4, 40.0, 30.0),
        Ended("complete", "gpu 0,1 (NVIDIA H100)", 1, 1800.0, 12.0),
        Ended("crash", "cpu", 2, 6.0, 3.0),
    ),
    workers=(2, 1, 0),
    claims=Claims((0.1, 0.2, 0.9), 20, 4.0),
)


def read(page: bytes) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def page(*studies: StudyGauges, **changes: Any) -> dict[tuple[str, ...], float]:
    return read(render(replace(Gauges(0.002, 0.05, studies, (7, 100)), **changes)))


def test_a_study_in_numbers() -> None:
    found = page(STUDY)
    assert found["hpotool_study_state", "running", "digits"] == 1
    assert [found["hpotool_workers", state, "digits"] for state in ("alive", "silent", "gone")] == [2, 1, 0]
    states = ("waiting", "running", "complete", "pruned", "failed")
    assert [found["hpotool_trials", state, "digits"] for state in states] == [3, 1, 5, 2, 4]
    assert found["hpotool_queued_trials", "digits"] == 3
    assert found["hpotool_attempts_total", "complete", "digits"] == 5
    assert found["hpotool_attempts_total", "crash", "digits"] == 2
    assert found["hpotool_attempt_seconds_total", "complete", "digits"] == 1840
    assert found["hpotool_last_result_age_seconds", "digits"] == 12, "a crash is no result"
    assert found["hpotool_budget_left_trials", "digits"] == 10 - (7 - 1 - 1), "less copied, less apart"


def test_gpu_time_counts_each_gpu_and_what_is_left_of_its_budget() -> None:
    found = page(STUDY)
    used = found["hpotool_gpu_seconds_total", "complete", "digits"]
    assert used == 2 * 1800
    assert found["hpotool_gpu_seconds_total", "crash", "digits"] == 0
    assert found["hpotool_budget_left_gpu_seconds", "digits"] == 4 * 3600 - used


def test_waits_are_a_summary_with_quantiles() -> None:
    found = page(STUDY)
    assert found["hpotool_claim_wait_seconds", "0.99", "digits"] == 0.9
    assert found["hpotool_claim_wait_seconds_count", "digits"] == 20
    assert found["hpotool_claim_wait_seconds_sum", "digits"] == 4.0


def test_the_database_and_the_page_itself() -> None:
    found = page()
    assert found["hpotool_up",] == 1
    assert found["hpotool_database_round_trip_seconds",] == 0.002
    assert (found["hpotool_database_connections",], found["hpotool_database_connections_max",]) == (7, 100)


def test_a_database_that_is_away_is_a_number_and_not_an_error() -> None:
    found = read(render(None))
    assert found["hpotool_up",] == 0
    assert {name for name, *_ in found} == {"hpotool_up", "hpotool_build_info"}


def test_a_part_that_was_refused_is_said_and_the_rest_is_there() -> None:
    found = page(STUDY, refused=("attempts",), connections=None)
    assert found["hpotool_part_up", "attempts"] == 0
    assert found["hpotool_part_up", "trials"] == 1
    assert ("hpotool_database_connections",) not in found
    assert found["hpotool_trials", "complete", "digits"] == 5


@pytest.mark.parametrize("gpu_hours", [None, "", "lots", "[1]"])
def test_a_budget_that_cannot_be_read_costs_the_page_nothing_else(gpu_hours: str | None) -> None:
    found = page(replace(STUDY, gpu_hours=gpu_hours), replace(STUDY, name="other"))
    assert ("hpotool_budget_gpu_seconds", "digits") not in found
    assert found["hpotool_budget_gpu_seconds", "other"] == 4 * 3600
    assert found["hpotool_budget_trials", "digits"] == 10


@pytest.mark.parametrize("name", ['a"b', "back\\slash", "two\nlines", 'x"} 1\nhpotool_up 0', "größe 🙂", ""])
def test_any_name_of_a_study_stays_a_label(name: str) -> None:
    found = page(replace(STUDY, name=name))
    assert found["hpotool_queued_trials", name] == 3
    assert found["hpotool_up",] == 1


def test_a_study_without_anything() -> None:
    found = page(StudyGauges("new", "running"))
    assert found["hpotool_workers", "alive", "new"] == 0
    assert found["hpotool_trials", "waiting", "new"] == 0
    assert not any(name.startswith(("hpotool_budget", "hpotool_last_result")) for name, *_ in found)
    assert page(StudyGauges("begun", "running", begun_s=60))["hpotool_last_result_age_seconds", "begun"] == 60


def test_each_declared_metric_is_shown_with_its_type_and_follows_the_conventions() -> None:
    text = render(Gauges(0.1, 0.1, [STUDY], (1, 2))).decode()
    shown = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
    assert shown == {name: declared.kind for name, declared in METRICS.items()}
    assert {name.removesuffix("_count").removesuffix("_sum") for name, *_ in read(text.encode())} == set(METRICS)
    for name, declared in METRICS.items():
        assert re.fullmatch(r"hpotool_[a-z_]+", name)
        assert name.endswith("_total") is (declared.kind == "counter")
        assert declared.means.endswith(".")
        assert not re.search(r"_(ms|minutes|hours|bytes_)", name), "base units"


def test_samples_have_the_labels_that_are_declared() -> None:
    for family in text_string_to_metric_families(render(Gauges(0.1, 0.1, [STUDY], (1, 2))).decode()):
        for sample in family.samples:
            declared = METRICS.get(sample.name) or METRICS[sample.name.rpartition("_")[0]]
            assert set(sample.labels) - {"quantile"} == set(declared.labels), sample.name


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_scrapes_within_seconds_share_one_reading_and_a_slow_one_is_kept_for_longer() -> None:
    clock, reads, costs = Clock(), [], [0.0]

    def read_gauges() -> Gauges:
        reads.append(clock.now)
        clock.now += costs[0]
        return Gauges(0.1, 0.1)

    shown = MetricsPage(read_gauges, clock)
    for _ in range(3):
        shown.text()
        clock.now += 1
    assert reads == [100.0]
    clock.now, costs[0] = 106.0, 2.0
    shown.text()
    clock.now += 39.0
    shown.text()
    assert reads == [100.0, 106.0], "two seconds of work buy forty of rest"
    clock.now += 1.0
    shown.text()
    assert reads == [100.0, 106.0, 148.0]


def test_only_its_own_path_is_taken() -> None:
    asked: list[str] = []

    def application(name: str) -> Any:
        return lambda environment, start: asked.append(f"{name} {environment['PATH_INFO']}") or []

    both = with_metrics(application("dashboard"), application("metrics"))
    for path in ("/", "/metrics", "/metrics/", "/metricsx", "/api/metrics"):
        both({"PATH_INFO": path}, lambda *_: None)  # type: ignore[arg-type, return-value]
    assert [each for each in asked if each.startswith("metrics")] == ["metrics /metrics"]
    assert len(asked) == 5
    alone = application("dashboard")
    assert with_metrics(alone, None) is alone


def test_without_the_extra_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError) as caught:
        MetricsPage(lambda: None)
    assert caught.value.hint == "pip install 'hpotool[metrics]'"
