"""Between machines: other hosts as ssh reaches them, compared with this one."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hpotool import __version__
from hpotool.doctor.finding import Finding, Ward, broken, ok, warning
from hpotool.launch.environment import is_loopback
from hpotool.launch.plan import ProgramError, Runner, run_step
from hpotool.launch.targets.ssh import Connection, on_each_host
from hpotool.storage.database.url import DatabaseUrl

_MOST_APART_S = 5.0
_LOOK = """\
echo "clock=$(date +%s.%N)"
echo "name=$(hostname)"
echo "hpotool=$({hpotool} --version 2>&1 | tail -n 1)"
if command -v bash > /dev/null && command -v timeout > /dev/null; then
    timeout 5 bash -c ': < /dev/tcp/{address}/{port}' 2> /dev/null && echo database=yes || echo database=no
fi
echo "free=$(df -Pk . | tail -n 1 | tr -s ' ' | cut -d ' ' -f 4)"
{checkpoints}"""
_MAKE = 'mkdir -p {folder} && : > {mark} && echo "checkpoints=yes"\n'
_SEE = 'if [ -e {mark} ]; then echo "checkpoints=yes"; else echo "checkpoints=no"; fi\n'
_LEAST_FREE_KB = 2 << 20


@dataclass(frozen=True)
class Host:
    """What was seen on one host; ``error`` where ssh did not get there."""

    name: str
    facts: dict[str, str] = field(default_factory=dict)
    clock_ahead_s: float = 0.0
    error: str | None = None


@dataclass(frozen=True)
class Hosts:
    """All of them, and how the database is called."""

    each: Sequence[Host]
    database: str
    is_loopback: bool
    checkpoints: str | None = None

    def those(self, key: str, value: str) -> list[str]:
        """The hosts that answered ``value``."""
        return [host.name for host in self.each if host.facts.get(key) == value]


def look_at_hosts(
    names: Sequence[str],
    connection: Connection,
    url: DatabaseUrl | None,
    hpotool: str,
    checkpoints: str | None,
    run: Runner = run_step,
) -> Hosts:
    """Look at each host, at the first one before the others: it leaves a mark that they must see."""
    address = (url.url.host or "localhost", url.url.port or 5432) if url else ("localhost", 5432)
    is_folder = checkpoints is not None and "://" not in checkpoints
    mark = f".doctor-{time.time_ns()}"
    found: list[Host] = []
    for some in (names[:1], names[1:]):
        script = _LOOK.format(
            hpotool=shlex.quote(hpotool),
            address=address[0],
            port=address[1],
            checkpoints=_mark_script(checkpoints, mark, is_first=some == names[:1]) if is_folder else "",
        )
        steps = {name: [connection.step(name, "look at it", "sh -s", script.encode())] for name in some}
        began = time.time()
        said = on_each_host(steps, run)
        found += [_read(name, answer, began, time.time()) for name, answer in said.items()]
    if is_folder and names:
        remove = f"rm -f {shlex.quote(str(Path(checkpoints or '') / mark))}"
        on_each_host({names[0]: [connection.step(names[0], "remove the mark", remove)]}, run)
    return Hosts(
        found, f"{address[0]}:{address[1]}", is_loopback(str(address[0])), checkpoints if is_folder else None
    )


def reachable(hosts: Hosts) -> Finding:
    """ssh gets there without a question."""
    away = [host for host in hosts.each if host.error is not None]
    if away:
        return broken(f"{away[0].name}: {away[0].error}", f"ssh {away[0].name} true must work without a question")
    return ok(", ".join(host.name for host in hosts.each))


def versions(hosts: Hosts) -> Finding:
    """Each has this hpotool."""
    for host in hosts.each:
        said = host.facts.get("hpotool", f"hpotool {__version__}")
        if said != f"hpotool {__version__}":
            return broken(
                f"{host.name} has no hpotool {__version__}: {said}",
                f"ssh {host.name} python3 -m pip install hpotool=={__version__}",
            )
    return ok()


def clocks(hosts: Hosts) -> Finding:
    """Their clocks agree with this machine's."""
    for host in hosts.each:
        if host.error is None and abs(host.clock_ahead_s) > _MOST_APART_S:
            return warning(
                f"the clock of {host.name} is {host.clock_ahead_s:+.0f} s off",
                f"ssh {host.name} timedatectl set-ntp true",
            )
    return ok()


def names(hosts: Hosts) -> Finding:
    """No two have one name: their workers could not be told apart."""
    counted = Counter(host.facts["name"] for host in hosts.each if "name" in host.facts)
    twice = [name for name, count in counted.items() if count > 1]
    if twice:
        return warning(f"several hosts call themselves {twice[0]}", "hostnamectl set-hostname NAME on each")
    return ok()


def database(hosts: Hosts) -> Finding:
    """Each reaches the database."""
    if hosts.is_loopback:
        return broken(
            f"the database's address {hosts.database} means each host itself",
            "give the URL an address that they reach; of the embedded one: "
            "hpotool db up --listen ADDRESS --allow NETWORK",
        )
    away = hosts.those("database", "no")
    if away:
        return broken(
            f"{', '.join(away)} cannot connect to {hosts.database}", "open that port in the firewall between them"
        )
    return ok(hosts.database)


def checkpoints(hosts: Hosts) -> Finding:
    """All see the same checkpoint folder."""
    blind = hosts.those("checkpoints", "no")
    if blind:
        return broken(
            f"{hosts.checkpoints} is not shared: {', '.join(blind)} does not see what {hosts.each[0].name} writes",
            "mount one folder on all of them, or use a URL like s3://bucket/checkpoints",
        )
    return ok(hosts.checkpoints or "not named: --checkpoints")


def disks(hosts: Hosts) -> Finding:
    """Each has room for code and logs."""
    for host in hosts.each:
        free = host.facts.get("free", "")
        if free.isdecimal() and int(free) < _LEAST_FREE_KB:
            return warning(
                f"{int(free) / 1e6:.1f} GB are free on {host.name}", f"ssh {host.name} hpotool clean --dry-run"
            )
    return ok()


HOSTS: Ward[Hosts] = Ward(
    "between machines",
    {
        "hosts": reachable,
        "versions of hosts": versions,
        "clocks of hosts": clocks,
        "names of hosts": names,
        "database from hosts": database,
        "checkpoints of hosts": checkpoints,
        "disks of hosts": disks,
    },
)


def _read(name: str, answer: str | ProgramError, began: float, ended: float) -> Host:
    if isinstance(answer, ProgramError):
        return Host(name, error=answer.message.rpartition("look at it: ")[2])
    facts = dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)
    seen = float(facts["clock"]) if facts.get("clock", "").replace(".", "", 1).isdecimal() else began
    ahead = seen - min(max(seen, began), ended)  # as far as it lies outside of the moment in which it was asked
    return Host(name, facts, ahead)


def _mark_script(folder: str | None, mark: str, *, is_first: bool) -> str:
    place = Path(folder or "")
    return (_MAKE if is_first else _SEE).format(
        folder=shlex.quote(str(place)), mark=shlex.quote(str(place / mark))
    )
