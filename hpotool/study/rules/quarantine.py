"""Decides whether a host or a device fails what succeeds elsewhere, and should take no more trials of a study.

Pure: `hpotool.worker.membership.placement` reads the attempts and acts on the verdict.

The test is Fisher's exact test, one-sided (R. A. Fisher, The Design of Experiments, 1935, section 2): if it does
not matter where a point runs, the points that failed are spread by chance over those that ran here and those that
ran elsewhere, and the number that ran here has a hypergeometric distribution. It is repeated after each failure,
so its level is spent: of `FALSE_ALARMS`, n points here may spend 3/(n(n+1)), which adds up to 1 over n = 3, 4, …
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import comb

from hpotool.study.outcome import Outcome

FALSE_ALARMS = 0.01  # how many sound hosts are ever quarantined, as a share
FEWEST = 3  # points that ran here
LEAST_SHARE = 0.5  # of them that failed here: a place that works most of the time goes on working
# A host that breaks in the middle of a study has many results from before.
_LOOKS_BACK = (6, 20, 200)

# What depends on the machine: not a NaN, not what people or other machines did.
FAILURES = frozenset({Outcome.ERROR, Outcome.CRASH, Outcome.OOM, Outcome.TIMEOUT, Outcome.STALLED})
_SUCCESSES = frozenset({Outcome.COMPLETE, Outcome.PRUNED, Outcome.NAN})


@dataclass(frozen=True)
class Place:
    """A host with all that is on it, or one device, whatever host it is seen from."""

    host: str
    device: str | None = None

    @property
    def name(self) -> str:
        """How people call it."""
        return self.device or self.host

    def has(self, attempt: PlacedAttempt) -> bool:
        """Whether the attempt ran here."""
        return attempt.host == self.host if self.device is None else self.device in attempt.devices


@dataclass(frozen=True)
class PlacedAttempt:
    """An ended attempt, and where it ran. ``root`` is equal for attempts of one point."""

    outcome: Outcome
    host: str
    devices: tuple[str, ...]
    root: int


@dataclass(frozen=True)
class Guilty:
    """The place must take no more trials. ``roots`` failed here, and not elsewhere too: they are to run again."""

    place: Place
    reason: str
    roots: tuple[int, ...]


def judge_place(host: str, devices: Sequence[str], ended: Sequence[PlacedAttempt]) -> Guilty | None:
    """Decide on the place of a worker after a failure; ``ended`` are attempts everywhere, newest first.

    Its devices are judged, each against all others, if anything has succeeded on the host, or nothing has failed
    on the rest of it. Otherwise, and for a worker without a device, the host is.
    """
    on_host = {each.outcome for each in ended if each.host == host}
    rest = {each.outcome for each in ended if each.host == host and not {*devices} & {*each.devices}}
    are_apart = bool(on_host & _SUCCESSES) or not rest & FAILURES
    places = [Place(host, device) for device in devices if are_apart] or [Place(host)]
    return next((guilty for place in places if (guilty := _judge(place, ended))), None)


def chance_of(failed_here: int, here: int, failed_elsewhere: int, elsewhere: int) -> float:
    """The probability of so many failures here, or more, if where a point runs does not matter."""
    failed = failed_here + failed_elsewhere
    ways = sum(comb(failed, n) * comb(here + elsewhere - failed, here - n) for n in range(failed_here, here + 1))
    return ways / comb(here + elsewhere, here)


def _judge(place: Place, ended: Sequence[PlacedAttempt]) -> Guilty | None:
    elsewhere = _points(each for each in ended if not place.has(each))
    failed_everywhere = {root for root, is_well in elsewhere.items() if not is_well}
    here = {
        root: is_well
        for root, is_well in _points(each for each in ended if place.has(each)).items()
        if is_well or root not in failed_everywhere
    }
    if len(here) < FEWEST or len(failed_everywhere) == len(elsewhere):
        return None
    windows = sorted({min(len(here), size) for size in _LOOKS_BACK})
    level = FALSE_ALARMS * FEWEST / (len(here) * (len(here) + 1)) / len(windows)
    for size in windows:
        recent = dict(list(here.items())[:size])
        roots = tuple(root for root, is_well in recent.items() if not is_well)
        chance = chance_of(len(roots), size, len(failed_everywhere), len(elsewhere))
        if len(roots) >= max(FEWEST, LEAST_SHARE * size) and chance <= level:
            says = _say(len(roots), size, len(failed_everywhere), len(elsewhere), chance)
            return Guilty(place, says, roots)
    return None


def _points(attempts: Iterable[PlacedAttempt]) -> dict[int, bool]:
    """Whether each point was ever brought to an end, newest first; attempts that say nothing are left out."""
    found: dict[int, bool] = {}
    for each in attempts:
        if each.outcome in _SUCCESSES or each.outcome in FAILURES:
            found[each.root] = found.get(each.root, False) or each.outcome in _SUCCESSES
    return found


def _say(failed_here: int, here: int, failed_elsewhere: int, elsewhere: int, chance: float) -> str:
    return (
        f"{failed_here} of the last {here} points failed here, and {failed_elsewhere} of {elsewhere} elsewhere "
        f"(by chance once in {1 / chance:,.0f})"
    )
