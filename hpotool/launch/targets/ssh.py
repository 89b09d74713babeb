"""Workers on machines that are reached by ssh, with nothing on them but hpotool and the study's packages.

The system's own ssh does it, so that its config, agents, jump hosts and hardware keys work. Each host is looked at
before anything is started on any. The code is copied into a folder that its hash names, so that it never changes
under a worker.
"""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import hpotool
from hpotool.errors import InputError
from hpotool.launch.code import Code
from hpotool.launch.environment import as_shell
from hpotool.launch.job import Job
from hpotool.launch.plan import ProgramError, Runner, Step, run_step
from hpotool.launch.request import Request
from hpotool.launch.shell import (
    CODE_LIST,
    ENVIRONMENT,
    next_places,
    place_of,
    read_look,
    render_end,
    render_look,
    render_start,
)
from hpotool.launch.target import Begun, Cargo, Target
from hpotool.study.wording import count_of

SSH_FAILED = 255  # what ssh itself ends with where it is not the other side's program that failed
_AT_ONCE = 16
_CLIENT = (
    "-o",
    "BatchMode=yes",
    "-o",
    "ConnectTimeout=5",
    "-o",
    "ServerAliveInterval=5",
    "-o",
    "ServerAliveCountMax=3",
)
_HOST = re.compile(r"[A-Za-z0-9_][\w.@:%\[\]-]*")
_PROBE = """\
echo "hpotool $({hpotool} --version 2>&1 | tail -n 1)"
if command -v nvidia-smi > /dev/null; then echo "gpus $(nvidia-smi -L | grep -c '^GPU')"; fi
if command -v setsid > /dev/null; then echo "setsid there"; fi
{checkpoints}"""
_MAKE_TOKEN = 'mkdir -p {folder} && : > {token} && echo "checkpoints made"\n'
_FIND_TOKEN = 'if [ -e {token} ]; then echo "checkpoints seen"; fi\n'


@dataclass(frozen=True)
class Connection:
    """How this command reaches hosts: more words for ssh, from its options and for connections that are shared."""

    words: tuple[str, ...] = ()

    def step(self, host: str, why: str, command: str, reads: bytes = b"", shown: str | None = None) -> Step:
        """``command`` of the other side's shell, in its home folder, as a program to run here."""
        return Step(f"on {host}: {why}", ("ssh", *_CLIENT, *self.words, host, f"cd && {command}"), reads, shown)


@contextmanager
def shared_connections(words: Sequence[str] = ()) -> Iterator[Connection]:
    """One login to each host for all that a command does there."""
    # A socket's path has room for about a hundred characters, and ssh puts some of its own behind it.
    with tempfile.TemporaryDirectory(prefix="hps-", dir="/tmp") as folder:
        shared = ("-o", "ControlMaster=auto", "-o", f"ControlPath={folder}/%C", "-o", "ControlPersist=5")
        yield Connection((*words, *shared))


def split_options(text: str) -> tuple[str, ...]:
    """More options for ssh as its words.

    Raises:
        InputError: a quotation mark is missing.
    """
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise InputError(
            f"--ssh-options cannot be read: {error}", "write it like --ssh-options '-p 2222'"
        ) from None


def check_hosts(hosts: Sequence[str]) -> None:
    """Nothing, where each is a host that ssh can be given.

    Raises:
        InputError: there is none, one is named twice, or one would be taken for an option.
    """
    if not hosts:
        raise InputError("no host is named", "name each machine: --host gpu1 --host gpu2")
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise InputError(f"{host!r} is no host name", "write it as ssh takes it: gpu1, or user@10.0.0.7")
        if list(hosts).count(host) > 1:
            raise InputError(f"the host {host} is named twice", "say how many workers in all with --workers")


def spread(workers: int, hosts: Sequence[str], running: Mapping[str, int]) -> dict[str, int]:
    """How many more workers each host gets, so that all have about as many; the first hosts get one more."""
    counts = {host: running.get(host, 0) for host in hosts}
    for _ in range(workers):
        counts[min(hosts, key=lambda host: counts[host])] += 1
    return {host: counts[host] - running.get(host, 0) for host in hosts}


def launch_folder(launch_id: str) -> str:
    """The folder of a launch on a host, below the home folder that a login begins in."""
    return f".hpotool/launches/{launch_id}"


def code_folder(code: Code) -> str:
    """Where that code lies on every host."""
    return f".hpotool/code/{code.hash}"


def plan(
    request: Request,
    code: Code,
    variables: Mapping[str, str],
    connection: Connection,
    taken: Mapping[str, Sequence[str]],
) -> dict[str, list[Step]]:
    """The steps on each host that gets workers; ``taken`` are the places that run there already."""
    hosts = list(request.options["hosts"])
    counts = spread(request.workers, hosts, {host: len(names) for host, names in taken.items()})
    return {
        host: _steps(request, code, variables, connection, host, count, taken.get(host, ()))
        for host, count in counts.items()
        if count
    }


def _steps(
    request: Request,
    code: Code,
    variables: Mapping[str, str],
    connection: Connection,
    host: str,
    count: int,
    taken: Sequence[str],
) -> list[Step]:
    folder, target = launch_folder(request.launch_id), code_folder(code)
    places = next_places(request, count, taken)
    script = render_start(
        request, folder, f'"$HOME/{target}"', f'"$HOME/{folder}/{CODE_LIST}"', f"{host}/", places
    )
    return [
        connection.step(
            host,
            "what the workers must know, readable by your account alone",
            f"umask 077; mkdir -p {folder} && cat > {folder}/{ENVIRONMENT}",
            as_shell(variables).encode(),
            as_shell(variables, masked=True),
        ),
        connection.step(
            host, "which files the code is", f"cat > {folder}/{CODE_LIST}", code.list_as_json().encode()
        ),
        connection.step(
            host,
            "the code, unless it is there",
            f"if [ -d {target} ]; then cat > /dev/null; else mkdir -p .hpotool/code && "
            f'new=$(mktemp -d .hpotool/code/.new-XXXXXX) && tar -xzf - -C "$new" && '
            f'mv -T "$new" {target} 2> /dev/null || [ -d {target} ]; fi',
            code.packed(),
            f"({count_of(len(code.paths), 'file')} of {code.folder}, packed)",
        ),
        connection.step(host, f"start {count_of(count, 'worker')}", "sh -s", script.encode()),
    ]


def probe_steps(request: Request, connection: Connection) -> dict[str, Step]:
    """A look at each host before anything is started: is hpotool there, and are the checkpoints shared?"""
    hosts = list(request.options["hosts"])
    steps = {}
    for host in hosts:
        script = _PROBE.format(
            hpotool=shlex.quote(request.hpotool),
            checkpoints=_token_script(request, len(hosts), is_first=host == hosts[0]),
        )
        steps[host] = connection.step(host, "look at what is there", "sh -s", script.encode())
    return steps


def forget_token(request: Request, connection: Connection) -> list[Step]:
    """Remove what the look at the checkpoints has left."""
    if len(request.options["hosts"]) < 2 or not _is_folder(request.checkpoints):
        return []
    return [connection.step(request.options["hosts"][0], "remove the mark", f"rm -f {_token(request)}")]


def judge_probe(request: Request, host: str, said: str) -> None:
    """Nothing, where workers can run on the host.

    Raises:
        InputError: they cannot, with what to do.
    """
    lines = said.splitlines()
    version = next((line.removeprefix("hpotool ") for line in lines if line.startswith("hpotool ")), "")
    found = re.fullmatch(r"hpotool (\S+)", version)
    if found is None:
        raise InputError(
            f"{host} has no {request.hpotool} that starts: {version or 'it said nothing'}",
            f"install it there, or say where it is with --hpotool: ssh {host} "
            f"python3 -m pip install hpotool=={hpotool.__version__}",
        )
    if found[1] != hpotool.__version__:
        raise InputError(
            f"{host} has hpotool {found[1]}, and this machine {hpotool.__version__}",
            f"ssh {host} python3 -m pip install hpotool=={hpotool.__version__}",
        )
    if "setsid there" not in lines:
        raise InputError(f"{host} has no setsid", f"install util-linux on {host}")
    _judge_gpus(request, host, lines)
    if (
        len(request.options["hosts"]) > 1
        and _is_folder(request.checkpoints)
        and not {"checkpoints made", "checkpoints seen"} & set(lines)
    ):
        first = request.options["hosts"][0]
        raise InputError(
            f"the checkpoint folder {request.checkpoints} is not shared: {host} does not see what {first} "
            "writes there",
            "name a folder that all hosts mount, or a URL like s3://bucket/checkpoints",
        )


def _judge_gpus(request: Request, host: str, lines: Sequence[str]) -> None:
    """Nothing, where each worker of the host finds GPUs of its own; whoever chooses them knows what is there."""
    needed = request.gpus * spread(request.workers, request.options["hosts"], {})[host]
    there = next((int(line.removeprefix("gpus ")) for line in lines if line.startswith("gpus ")), 0)
    if needed > there and not any(word.startswith("--gpu") for word in request.worker_options):
        raise InputError(
            f"{host} has {there} GPUs, and its workers would need {needed}",
            f"ask for fewer with --workers or --gpus (0 is the CPU); ssh {host} nvidia-smi -L lists them",
        )


def on_each_host(steps: Mapping[str, Sequence[Step]], run: Runner) -> dict[str, str | ProgramError]:
    """Carry out each host's steps, the hosts at once: what the last step wrote, or the error that ended them."""

    def carry_out(host: str) -> str | ProgramError:
        said = ""
        try:
            for step in steps[host]:
                said = run(step)
        except ProgramError as error:
            return error
        return said

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(steps, pool.map(carry_out, steps), strict=True))


def look(request: Request, run: Runner, connection: Connection) -> list[Job]:
    """What becomes of the processes on each host; a host that does not answer is a job of state unknown."""
    script = render_look(launch_folder(request.launch_id), request.launch_id).encode()
    hosts = request.options["hosts"]
    steps = {host: [connection.step(host, "look at the workers", "sh -s", script)] for host in hosts}
    jobs: list[Job] = []
    for host, said in on_each_host(steps, run).items():
        if isinstance(said, ProgramError):
            jobs.append(Job(f"{host}/", "unknown", _short(said), where=host))
        else:
            jobs += read_look(said, f"{host}/", host)
    return jobs


def host_of(job_name: str) -> str:
    """The host in the name of a place."""
    return job_name.rpartition("/")[0]


def _short(error: ProgramError) -> str:
    return error.message.rpartition("look at the workers: ")[2]


def _is_folder(checkpoints: str | None) -> bool:
    return checkpoints is not None and "://" not in checkpoints


def _token(request: Request) -> str:
    return shlex.quote(str(Path(request.checkpoints or "") / f".{request.launch_id}"))


def _token_script(request: Request, hosts: int, *, is_first: bool) -> str:
    if hosts < 2 or not _is_folder(request.checkpoints):
        return ""
    folder = shlex.quote(os.fspath(Path(request.checkpoints or "")))
    return (_MAKE_TOKEN if is_first else _FIND_TOKEN).format(folder=folder, token=_token(request))


class SshTarget(Target):
    """Machines that ssh reaches. ``connection`` is how."""

    name = "ssh"

    def __init__(self, connection: Connection, run: Runner = run_step) -> None:
        super().__init__(run)
        self._connection = connection

    def prepare(self, request: Request) -> Request:
        """See `Target`; the first host is looked at before the others: it leaves a mark that they must see."""
        check_hosts(request.options["hosts"])
        first, *others = probe_steps(request, self._connection).items()
        try:
            for steps in (dict([first]), dict(others)):
                said = on_each_host({host: [step] for host, step in steps.items()}, self._run)
                for host, answer in said.items():
                    if isinstance(answer, ProgramError):
                        raise InputError(
                            answer.message, f"ssh {host} true must work without a question"
                        ) from answer
                    judge_probe(request, host, answer)
        finally:
            for step in forget_token(request, self._connection):
                on_each_host({request.options["hosts"][0]: [step]}, self._run)
        return request

    def avoid(self, request: Request, jobs: Sequence[Job]) -> Request:
        """See `Target`."""
        away = {job.where for job in jobs if job.state == "unknown"}
        hosts = [host for host in request.options["hosts"] if host not in away]
        if not hosts:
            raise InputError("no host of the launch answers", f"ssh {request.options['hosts'][0]} true says why")
        return replace(request, options={**request.options, "hosts": hosts})

    def steps(self, request: Request, cargo: Cargo, jobs: Sequence[Job] = ()) -> list[Step]:
        """See `Target`."""
        return [step for steps in self._by_host(request, cargo, jobs).values() for step in steps]

    def start(self, request: Request, cargo: Cargo, jobs: Sequence[Job] = ()) -> Begun:
        """See `Target`; the hosts are independent of each other."""
        said = on_each_host(self._by_host(request, cargo, jobs), self._run)
        failures = {host: answer.message for host, answer in said.items() if isinstance(answer, ProgramError)}
        return Begun(failures=failures)

    def look(self, request: Request, names: Sequence[str]) -> list[Job]:
        """See `Target`."""
        return look(request, self._run, self._connection)

    def end(self, request: Request, jobs: Sequence[Job]) -> None:
        """See `Target`; a host that does not answer is left out: its workers hear it from the database."""
        folder = launch_folder(request.launch_id)
        by_host: dict[str, list[str]] = {}
        for job in jobs:
            if job.state != "unknown":
                by_host.setdefault(host_of(job.name), []).append(place_of(job.name))
        scripts = {host: render_end(folder, places).encode() for host, places in by_host.items()}
        steps = {
            host: [self._connection.step(host, "end workers", "sh -s", script)] for host, script in scripts.items()
        }
        on_each_host(steps, self._run)

    def _by_host(self, request: Request, cargo: Cargo, jobs: Sequence[Job]) -> dict[str, list[Step]]:
        taken: dict[str, list[str]] = {}
        for job in jobs:
            taken.setdefault(host_of(job.name), []).append(place_of(job.name))
        return plan(request, cargo.code, cargo.variables, self._connection, taken)
