"""What an exporter asks of a tracker.

Everything may be sent again: what is there already stays as it is.
"""

from __future__ import annotations

from typing import Protocol

from hpotool.errors import HpotoolError
from hpotool.tracking.tracked_run import Point, TrackedRun


class TargetAwayError(HpotoolError):
    """The tracker does not answer, or will not have anything now. The same may be sent again later."""


class RefusedByTargetError(HpotoolError):
    """The tracker answers, and will not take this one run."""


class Target(Protocol):
    """A tracker, and the place in it that one study goes to. ``send`` is called by several threads."""

    def open(self, study: TrackedRun, job_id: str) -> None:
        """Find or make the place; ``job_id`` names it, also after the study was renamed.

        Raises:
            TargetAwayError: it cannot be reached.
            InputError: it can never be used as it was named.
        """

    def send(self, run: TrackedRun) -> None:
        """Send one trial as it is now.

        Raises:
            TargetAwayError: whether it arrived is not known.
            RefusedByTargetError: it did not, and will not.
        """

    def send_study(self, study: TrackedRun, points: tuple[Point, ...]) -> None:
        """Send how the study stands, and ``points`` of it beside those that are there.

        Raises:
            TargetAwayError: whether it arrived is not known.
        """

    def forget(self) -> None:
        """Ask again what is there: after an error, what was sent may have arrived or not."""

    def close(self) -> None:
        """Let go of what is held while an export lives. It raises nothing: the exporter leaves."""
