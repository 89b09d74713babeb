"""Workers killed, stopped and started at random, Postgres restarted and away, the network cut: no violation.

By hand, longer: ``make test-chaos``. The seed of a run is in its test's name and in its output. Every second seed
searches with the default sampler in Python, the others with it and a command.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from hpotool.drill.proxy import CuttableProxy
from tests.faults.fleet import KINDS, Fleet, wait_until

SEEDS = range(int(os.environ.get("HPOTOOL_TEST_CHAOS_SEEDS", "10")))
TRIALS = int(os.environ.get("HPOTOOL_TEST_CHAOS_TRIALS", "30"))
WORKERS = int(os.environ.get("HPOTOOL_TEST_CHAOS_WORKERS", "4"))


class Chaos:
    """What happens to a fleet, drawn from a seed."""

    def __init__(self, fleet: Fleet, server, proxy: CuttableProxy, seed: int) -> None:
        self.fleet, self.server, self.proxy = fleet, server, proxy
        self.random = random.Random(seed)
        self.happened: list[str] = []
        self._had_long_outage = False

    def strike(self) -> None:
        """Do one bad thing."""
        blows = [self.kill, self.kill, self.sleep, self.terminate, self.restart_postgres, self.cut_network]
        blow = self.random.choice(blows)
        if not self._had_long_outage and len(self.happened) >= 3:
            self._had_long_outage = True
            blow = self.long_outage
        self.happened.append(blow.__name__)
        blow()

    def _victim(self) -> subprocess.Popen[bytes] | None:
        living = self.fleet.living()
        return self.random.choice(living) if living else None

    def kill(self) -> None:
        if victim := self._victim():
            victim.kill()

    def terminate(self) -> None:
        if victim := self._victim():
            victim.terminate()

    def sleep(self) -> None:
        if victim := self._victim():
            victim.send_signal(signal.SIGSTOP)
            time.sleep(self.fleet.grace_s * self.random.uniform(0.5, 2))
            victim.send_signal(signal.SIGCONT)

    def restart_postgres(self) -> None:
        self.random.choice([self.server.stop, self.server.kill])()
        self.server.start()

    def long_outage(self) -> None:
        self.server.stop()
        time.sleep(3 * self.fleet.grace_s)
        self.server.start()

    def cut_network(self) -> None:
        self.proxy.cut()
        time.sleep(self.fleet.grace_s * self.random.uniform(0.5, 2))
        self.proxy.heal()


@pytest.mark.parametrize("seed", SEEDS)
def test_chaos_violates_nothing(seed: int, own_postgres, tmp_path: Path) -> None:
    proxy = CuttableProxy(own_postgres.port)
    url = own_postgres.url("postgres")
    behind = urlunsplit(
        urlsplit(url)._replace(netloc=urlsplit(url).netloc.replace(str(own_postgres.port), str(proxy.port)))
    )
    kind = "command" if seed % 2 else "auto"
    # In half of the runs each worker claims to be on a machine of its own: both ways of finding the dead are used.
    is_spread_out = seed // 2 % 2 == 0
    environment = {"TEST_STEP_S": "0.15"}
    fleet = Fleet(url, tmp_path, TRIALS, is_spread_out=is_spread_out, environment=environment, kind=KINDS[kind])
    chaos = Chaos(fleet, own_postgres, proxy, seed)
    print(f"seed {seed}: {kind}, {TRIALS} trials, {WORKERS} workers")  # noqa: T201
    try:
        while not fleet.is_done():
            for _ in range(WORKERS - len(fleet.living())):
                fleet.start_worker(behind if len(fleet.processes) % 2 else None)
            time.sleep(chaos.random.uniform(0.5, 2.5))
            if len(chaos.happened) < 4 + TRIALS // 10:
                chaos.strike()
        wait_until(fleet.is_done, "the study to be done")
        fleet.check(is_value_safe=False)
    finally:
        print(f"seed {seed}: {len(fleet.processes)} workers in all, {chaos.happened}")  # noqa: T201
        fleet.close()
        proxy.close()
