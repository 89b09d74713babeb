"""Watches the health of a worker's GPUs: regularly, before its first trial, and after each failure."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from hpotool.errors import DatabaseUnreachableError
from hpotool.study.outcome import Outcome
from hpotool.worker.attempt.running_attempt import AttemptResult
from hpotool.worker.devices.health import Health, Trouble, judge_health
from hpotool.worker.devices.probe import probe
from hpotool.worker.gpu import Device
from hpotool.worker.log import log_event

Probe = Callable[[Sequence[str], float], Mapping[str, Health]]
_EVERY_S = 60.0
_IN_TROUBLE_EVERY_S = 10.0
_STORES_WITHIN_S = 2.0  # a change that the main thread noticed


class DeviceWatch:
    """The health of a worker's devices. ``step`` is called by a side thread, everything else by the main thread.

    ``stop_attempt`` is called with a reason while a device is lost: a program on it may wait for ever. ``note``
    stores a change: whether there is trouble now, and the sentence about it.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        stop_attempt: Callable[[str], None],
        note: Callable[[bool, str], None],
        ask: Probe = probe,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Asks nothing yet. Only errors from now on count of those that the kernel's log keeps."""
        self._devices = devices
        self._stop_attempt = stop_attempt
        self._note = note
        self._ask = ask
        self._clock = clock
        self._since_s = self._due = clock()
        self._lock = threading.Lock()
        self._was_asked = False
        self._trouble: Trouble | None = None
        self._noted = ""
        self.says: str | None = None  # why the devices are left alone

    def look(self) -> Trouble | None:
        """Ask now; the first trouble of the devices, None without any."""
        with self._lock:
            return self._look()

    def wait_reason(self) -> str | None:
        """Why no trial may start; asks the driver if nobody has yet."""
        with self._lock:
            if not self._was_asked:
                self._look()
            return self.says

    def forgive(self, result: AttemptResult) -> AttemptResult:
        """The result; of an attempt that failed while its device has errors, one that hands the trial back."""
        if not self._devices or result.is_answer or not Trouble("errors", "", "").explains(result.outcome):
            return result
        trouble = self.look()
        if trouble is None or not trouble.explains(result.outcome):
            return result
        reason = f"{self.says} (it had ended: {': '.join(filter(None, (result.outcome.value, result.reason)))})"
        return replace(result, outcome=Outcome.PREEMPTED, reason=reason, values=None)

    def step(self) -> float:
        """Ask if it is time, stop an attempt on a lost device, store a change; return the seconds to the next."""
        if self._clock() >= self._due:
            trouble = self.look()
            if trouble is not None and trouble.kind == "lost":
                self._stop_attempt(self.says or trouble.says)
        self._store()
        return _STORES_WITHIN_S

    def _store(self) -> None:
        said = self.says or ""
        if said != self._noted:
            with suppress(DatabaseUnreachableError):  # the next step tries again
                self._note(bool(said), said or f"well again, after: {self._noted}")
                self._noted = said

    def _look(self) -> Trouble | None:
        found = self._ask([device.uuid for device in self._devices], self._since_s)
        self._was_asked = True
        device, trouble = next(
            (
                (device, trouble)
                for device in self._devices
                if (trouble := judge_health(found.get(device.uuid, Health()))) is not None
            ),
            (None, None),
        )
        self._due = self._clock() + (_EVERY_S if trouble is None else _IN_TROUBLE_EVERY_S)
        self._settle(device, trouble)
        return trouble

    def _settle(self, device: Device | None, trouble: Trouble | None) -> None:
        before, self._trouble = self._trouble, trouble
        if device is None or trouble is None:
            self.says = None
            if before is not None:
                log_event("device", "its GPUs are well again", trouble=None)
            return
        self.says = f"gpu {device.number} is left alone: {trouble.says}; {trouble.remedy}"
        if trouble != before:
            log_event("device", self.says, logging.ERROR, device=device.uuid, trouble=trouble.kind)
