"""When a host or a device is put in quarantine: by examples, by the definition, and by simulated fleets."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import combinations
from math import comb
from zlib import crc32

import pytest

from hpotool.study.outcome import Outcome
from hpotool.study.rules.quarantine import FAILURES, FALSE_ALARMS, Place, PlacedAttempt, chance_of, judge_place

A, B = ("GPU-a",), ("GPU-b",)


def attempts(host: str, outcomes: str, devices: tuple[str, ...] = (), first_root: int = 0) -> list[PlacedAttempt]:
    """One attempt for each letter (c complete, e error, …), newest first, each of a point of its own."""
    words = {"c": Outcome.COMPLETE, "e": Outcome.ERROR, "l": Outcome.LOST, "n": Outcome.NAN, "o": Outcome.OOM}
    offset = first_root or crc32(f"{host}{devices}".encode()) * 1000
    return [
        PlacedAttempt(words[letter], host, devices, offset + number)
        for number, letter in enumerate(outcomes.replace(" ", ""))
    ]


def test_a_host_that_fails_everything_is_guilty_as_soon_as_that_is_no_chance() -> None:
    elsewhere = attempts("good", "c" * 12)
    assert judge_place("bad", (), attempts("bad", "ee") + elsewhere) is None
    guilty = judge_place("bad", (), attempts("bad", "eee", first_root=7) + elsewhere)
    assert guilty is not None
    assert guilty.place == Place("bad")
    assert guilty.roots == (7, 8, 9)
    assert guilty.reason == "3 of the last 3 points failed here, and 0 of 12 elsewhere (by chance once in 455)"


@pytest.mark.parametrize(
    ("here", "elsewhere"),
    [
        ("eeeeeeee", ""),  # the only host
        ("eeeeeeee", "eeeeeeeeeeee"),  # the objective fails everywhere
        ("eeee", "cc"),  # too few elsewhere to tell
        ("eeecccccccccc", "c" * 50),  # it works most of the time
        ("lllllll", "c" * 50),  # whose workers were lost: not a failure of the place
        ("nnnnnnn", "c" * 50),  # a NaN is the parameters' fault
        ("eeeeee", "e" * 30 + "c" * 10),  # as often as elsewhere
        ("", "c" * 50),
    ],
)
def test_who_is_not_guilty(here: str, elsewhere: str) -> None:
    assert judge_place("bad", (), attempts("bad", here) + attempts("good", elsewhere)) is None


def test_a_host_that_breaks_after_many_results_is_noticed_by_its_latest_points() -> None:
    broken = attempts("bad", "e" * 6 + "c" * 100)
    guilty = judge_place("bad", (), broken + attempts("good", "c" * 100))
    assert guilty is not None
    assert guilty.reason.startswith("6 of the last 6 points failed here")
    assert len(guilty.roots) == 6


def test_a_point_that_fails_everywhere_speaks_against_no_host() -> None:
    shared = [PlacedAttempt(Outcome.ERROR, host, (), root) for root in range(6) for host in ("bad", "good")]
    assert judge_place("bad", (), shared + attempts("good", "c" * 40)) is None
    # A point that failed here and was brought to an end elsewhere speaks against this one.
    moved = [PlacedAttempt(Outcome.ERROR, "bad", (), root) for root in range(6)]
    moved += [PlacedAttempt(Outcome.COMPLETE, "good", (), root) for root in range(6)]
    assert judge_place("bad", (), moved + attempts("good", "c" * 6)) is not None


def test_retries_of_one_point_on_one_host_count_once() -> None:
    again = [PlacedAttempt(Outcome.CRASH, "bad", (), root) for root in (1, 1, 1, 2, 2)]
    assert judge_place("bad", (), again + attempts("good", "c" * 100)) is None


def test_of_a_host_that_works_only_the_broken_device_is_guilty() -> None:
    host = attempts("h", "eeeee", A) + attempts("h", "ccccccc", B)
    guilty = judge_place("h", A, host + attempts("good", "c" * 40))
    assert guilty is not None
    assert guilty.place == Place("h", "GPU-a")
    assert judge_place("h", B, host + attempts("good", "c" * 40)) is None


def test_a_host_on_which_every_device_fails_is_guilty_as_a_whole() -> None:
    host = attempts("h", "eee", A) + attempts("h", "eee", B)
    guilty = judge_place("h", A, host + attempts("good", "c" * 40))
    assert guilty is not None
    assert guilty.place == Place("h")


def test_a_host_with_devices_is_not_blamed_for_one_of_them_whoever_judges() -> None:
    host = attempts("h", "eeeeeeee", A) + attempts("h", "ec", B)
    assert judge_place("h", B, host + attempts("good", "c" * 40)) is None


def test_a_device_is_known_again_under_another_host_name() -> None:
    """As in a container whose name changes: the device is what stays."""
    pods = attempts("pod-1", "ee", A, 1) + attempts("pod-2", "ee", A, 3)
    guilty = judge_place("pod-2", A, pods + attempts("good", "c" * 40))
    assert guilty is not None
    assert guilty.place.device == "GPU-a"
    assert guilty.roots == (1, 2, 3, 4)


def test_the_chance_is_that_of_the_definition() -> None:
    """Of all ways to choose which points ran here, the share with so many failures among them."""
    for failed_here, here, failed_elsewhere, elsewhere in [(3, 3, 0, 5), (2, 4, 1, 4), (0, 2, 2, 3), (4, 4, 4, 4)]:
        failed = failed_here + failed_elsewhere
        marks = [True] * failed + [False] * (here + elsewhere - failed)
        ways = [sum(chosen) >= failed_here for chosen in combinations(marks, here)]
        expected = Fraction(sum(ways), comb(here + elsewhere, here))
        assert chance_of(failed_here, here, failed_elsewhere, elsewhere) == pytest.approx(float(expected))


def test_what_counts_as_a_failure_depends_on_the_machine() -> None:
    assert {outcome.value for outcome in FAILURES} == {"error", "crash", "oom", "timeout", "stalled"}


class SimulatedFleet:
    """Hosts whose points fail with probabilities of their own, judged after each failure as workers do."""

    def __init__(self, seed: int, rates: dict[str, float]) -> None:
        self.rng = random.Random(seed)
        self.rates = rates
        self.ended: list[PlacedAttempt] = []
        self.count = dict.fromkeys(rates, 0)

    def run(self, points: int) -> dict[str, int]:
        """How many points each host that was put in quarantine had run until then."""
        found: dict[str, int] = {}
        for root in range(points):
            host = self.rng.choice([host for host in self.rates if host not in found])
            failed = self.rng.random() < self.rates[host]
            self.count[host] += 1
            outcome = Outcome.ERROR if failed else Outcome.COMPLETE
            self.ended.insert(0, PlacedAttempt(outcome, host, (), root))
            if failed and len(found) < len(self.rates) - 1:
                here = [each for each in self.ended if each.host == host][:200]
                there = [each for each in self.ended if each.host != host][:200]
                if judge_place(host, (), here + there):
                    found[host] = self.count[host]
        return found


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.6])
def test_sound_hosts_are_hardly_ever_put_in_quarantine(rate: float) -> None:
    fleets, hosts = 60, 4
    alarms = sum(len(SimulatedFleet(seed, dict.fromkeys("abcd", rate)).run(160)) for seed in range(fleets))
    # Of 240 sound hosts at most 2.4 are expected; more than 7 would be less likely than one in two hundred.
    assert alarms / (fleets * hosts) <= 3 * FALSE_ALARMS


@pytest.mark.parametrize(
    ("bad", "others", "within"),
    [(1.0, 0.0, 6), (1.0, 0.1, 9), (1.0, 0.3, 16), (0.8, 0.05, 15)],
)
def test_broken_hosts_are_found_soon(bad: float, others: float, within: int) -> None:
    """Within so many points of their own, in 54 of 60 studies, while three sound hosts work."""
    found = [
        SimulatedFleet(seed, {"bad": bad, "a": others, "b": others, "c": others}).run(120) for seed in range(60)
    ]
    assert sum(each.get("bad", 999) <= within for each in found) >= 54, sorted(e.get("bad", 999) for e in found)


def test_a_place_is_called_by_its_device_or_its_host() -> None:
    assert (Place("node-1").name, Place("node-1", "GPU-a").name) == ("node-1", "GPU-a")
    here = PlacedAttempt(Outcome.ERROR, "node-1", A, 1)
    assert Place("node-1").has(here)
    assert not Place("node-2").has(here)
    assert Place("elsewhere", "GPU-a").has(here), "a device is one wherever it is seen from"
    assert not Place("node-1", "GPU-b").has(here)
