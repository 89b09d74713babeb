"""Workers as an array of Slurm jobs: one task each, started again by the scheduler as long as there is work.

The batch script holds no secret and takes no environment along: it reads both from a file that only its user can
read. Bash hears the warning before the time limit, also while Python still imports, and hands it on; a worker that
leaves for it (exit code 75) is queued again. A preempted or lost one Slurm queues again by itself.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from hpotool.errors import InputError
from hpotool.launch.code import Code
from hpotool.launch.environment import as_shell
from hpotool.launch.job import Job, JobState
from hpotool.launch.plan import ProgramError, Runner, Step
from hpotool.launch.request import Request, grace_within
from hpotool.launch.shell import CODE_LIST, ENVIRONMENT
from hpotool.launch.target import Begun, Cargo, Target
from hpotool.study.wording import count_of, format_elapsed

LEAST_TIME = timedelta(minutes=5)
# How long before the time limit a worker is told. Slurm may be up to a minute early.
WARNED_S = 120
_DEFAULT_KILL_WAIT_S = 30
_FOUND_BY = ("PATH", "LD_LIBRARY_PATH", "SLURM_CONF")
_LOCAL_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/local", "/scratch/local")
_TIME = re.compile(
    r"(?P<only>\d+)(?::(?P<only_s>\d+))?|(?P<h>\d+):(?P<m>\d+):(?P<s>\d+)"
    r"|(?P<d>\d+)-(?P<dh>\d+)(?::(?P<dm>\d+)(?::(?P<ds>\d+))?)?"
)
_SCRIPT = """\
#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --comment={comment}
#SBATCH --array=0-{last}
#SBATCH --cpus-per-task={cpus}
{resources}#SBATCH --signal=B:USR1@{warned}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --export=NIL
#SBATCH --output="{folder}/%A_%a.log"
{more}
set -a
. {environment}
HPOTOOL_LAUNCH={launch_id}
HPOTOOL_JOB=${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}
{code_variables}set +a
cd {code} || exit 2
{token}# Told before the time limit, it queues itself again; bash hears it also while Python still imports.
trap 'again=1; kill -USR1 "$worker" 2>/dev/null' USR1
# SIGTERM (cancelled, preempted) Slurm sends to every process of the job: handed on, it would come twice.
trap : TERM
{command} & worker=$!
if [ -n "$again" ]; then kill -USR1 "$worker"; fi
while kill -0 "$worker" 2>/dev/null; do wait "$worker"; code=$?; done
# 138: the warning came before Python could listen.
if [ -n "$again" ] && {{ [ "$code" = 75 ] || [ "$code" = 138 ]; }}; then scontrol requeue "$SLURM_JOB_ID"; fi
exit "$code"
"""
_TOKEN = """\
if [ ! -e {token} ]; then
    folder={folder}
    echo "error: the checkpoint folder $folder is not shared: $(hostname) does not see what was written there" >&2
    exit 2
fi
"""
_STATES: dict[str, JobState] = {
    "PENDING": "pending",
    "CONFIGURING": "pending",
    "REQUEUED": "pending",
    "RESIZING": "running",
    "RUNNING": "running",
    "COMPLETING": "ended",
    "SUSPENDED": "pending",
    "STOPPED": "pending",
}


def parse_time(text: str) -> timedelta:
    """A time limit as sbatch takes it: ``90``, ``90:00``, ``1:30:00``, ``2-12``, ``2-12:30:00``.

    Raises:
        InputError: it is none, or too short for a worker.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise InputError(
            f"--time {text} is no time limit of Slurm", "write it like 90 (minutes), 1:30:00 or 2-12:00:00"
        )
    part = {name: int(value or 0) for name, value in found.groupdict().items()}
    minutes = part["only"] + part["m"] + part["dm"]
    seconds = part["only_s"] + part["s"] + part["ds"]
    try:
        limit = timedelta(days=part["d"], hours=part["h"] + part["dh"], minutes=minutes, seconds=seconds)
    except OverflowError:
        raise InputError(
            f"--time {text} is millions of years", "leave it out for the partition's own limit"
        ) from None
    if limit < LEAST_TIME:
        raise InputError(
            f"--time {text} is {format_elapsed(limit.total_seconds())}: a worker is told to leave {WARNED_S} s "
            "before the limit, and would do nothing but start and leave",
            "give it at least 5 minutes; an hour or more is better",
        )
    return limit


def kill_wait(config: str) -> float:
    """How long after SIGTERM Slurm kills a job, as ``scontrol show config`` says."""
    found = re.search(r"^KillWait\s*=\s*(\d+)", config, re.MULTILINE)
    return float(found[1]) if found else float(_DEFAULT_KILL_WAIT_S)


def check_cluster(request: Request, config: str) -> Request:
    """The request with the grace that this cluster leaves, given the answer of ``scontrol show config``.

    Raises:
        InputError: the cluster allows no such array, or kills too fast.
    """
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", config, re.MULTILINE)
    most = int(found[1]) - 1 if found else request.workers
    if request.workers > most:
        raise InputError(
            f"{request.workers} workers are asked for, and an array has at most {count_of(most, 'task')} here",
            f"launch {most} at most, and the rest with a second launch",
        )
    grace = grace_within(kill_wait(config), "Slurm (KillWait in slurm.conf)")
    return Request.from_data({**request.as_data(), "grace_s": grace})


def check_folders(request: Request, folder: Path) -> None:
    """Nothing, where every node can see the folders of the launch, as far as their names tell.

    Raises:
        InputError: one lies where each node has a folder of its own.
    """
    named = {"--code": request.code, "--folder": str(folder), "--checkpoints": request.checkpoints}
    for option, path in named.items():
        if path is None or "://" in path:
            continue
        local = next((place for place in _LOCAL_FOLDERS if Path(path).is_relative_to(place)), None)
        if local and not request.options.get("is_one_machine"):
            raise InputError(
                f"{option} {path} is not shared: every node has a {local} of its own",
                f"name a folder on the shared file system with {option}, or --one-machine where there is one node",
            )


def plan(request: Request, code: Code, variables: dict[str, str], folder: Path) -> list[Step]:
    """The steps that write the script and what it reads, and submit it."""
    quoted = shlex.quote(str(folder))
    write = f"umask 077; mkdir -p {quoted} && cat > {quoted}/"
    token = _token(request, folder)
    return [
        Step(
            "what the workers must know, readable by you alone",
            ("sh", "-c", write + ENVIRONMENT),
            as_shell(variables | _surroundings()).encode(),
            as_shell(variables | _surroundings(), masked=True),
        ),
        Step("which files their code is", ("sh", "-c", write + CODE_LIST), code.list_as_json().encode()),
        *([Step("a mark that every node must see", ("sh", "-c", _make_token(request, token)))] if token else []),
        Step("submit the array", ("sbatch", "--parsable"), render_script(request, folder).encode()),
    ]


def _surroundings() -> dict[str, str]:
    """Of this environment, which does not come along by itself, what programs are found by."""
    return {name: os.environ[name] for name in _FOUND_BY if os.environ.get(name)}


def render_script(request: Request, folder: Path) -> str:
    """The batch script."""
    options = request.options
    for name in ("time", "partition", "memory"):
        _refuse_odd(f"--{name}", str(options.get(name) or ""))
    resources = [f"--gres=gpu:{request.gpus}"] if request.gpus else []
    resources += [f"--time={options['time']}"] if options.get("time") else []
    resources += [f"--partition={options['partition']}"] if options.get("partition") else []
    resources += [f"--mem={options['memory']}"] if options.get("memory") else []
    token = _token(request, folder)
    variables = f"HPOTOOL_CODE={request.code_hash}\n" if request.code_hash else ""
    variables += f"HPOTOOL_CODE_LIST={shlex.quote(str(folder / CODE_LIST))}\n" if request.code_hash else ""
    return _SCRIPT.format(
        name=job_name(request.study),
        comment=f"hpotool:{request.launch_id}",
        last=request.workers - 1,
        cpus=options.get("cpus") or 1,
        resources="".join(f"#SBATCH {option}\n" for option in resources),
        more="".join(f"#SBATCH {_one_line(option)}\n" for option in options.get("sbatch", ())),
        warned=WARNED_S,
        folder=folder,
        environment=shlex.quote(str(folder / ENVIRONMENT)),
        launch_id=request.launch_id,
        code_variables=variables,
        code=shlex.quote(request.code or "."),
        token=_TOKEN.format(token=shlex.quote(str(token)), folder=shlex.quote(str(request.checkpoints)))
        if token
        else "",
        command=shlex.join(request.worker_words()),
    )


def job_name(study: str) -> str:
    """The name of the study's jobs; of a study's name only what every tool of Slurm takes."""
    return f"hpotool-{re.sub(r'[^A-Za-z0-9_.-]+', '-', study)[:60]}"


def submitted_job(said: str) -> str:
    """The job's id in what ``sbatch --parsable`` has written; behind a semicolon is the cluster's name.

    Raises:
        ProgramError: there is none.
    """
    job = said.strip().rpartition("\n")[2].partition(";")[0].strip()
    if not (job.isascii() and job.isdigit()):
        answer = " ".join(said.split()) or "nothing"
        raise ProgramError(f"sbatch named no job; it said: {answer}", "squeue --me shows what was submitted", None)
    return job


def look(jobs: Sequence[str], run: Runner) -> list[Job]:
    """What the queue says of the launch's tasks; those that it has forgotten are not in it any more."""
    if not jobs:
        return []
    words = ("squeue", "--noheader", "--array", "--states=all", "--format=%i|%T|%N|%r", f"--jobs={','.join(jobs)}")
    try:
        said = run(Step("ask the queue", words))
    except ProgramError as error:
        if "Invalid job id" in error.message:  # it has forgotten all of them
            return []
        raise
    return read_queue(said)


def read_queue(said: str) -> list[Job]:
    """The lines of ``squeue`` as jobs."""
    jobs = []
    for line in said.splitlines():
        name, state, where, reason = [*line.strip().split("|", 3), "", "", ""][:4]
        if not name:
            continue
        told = "" if reason in ("None", "") else reason
        judged: JobState = _STATES.get(state, "ended")
        why = told if judged == "pending" else "" if judged == "running" else _say_end(state, told)
        jobs.append(Job(name, judged, why, where.strip()))
    return jobs


def cancel(jobs: Sequence[str]) -> list[Step]:
    """The step that ends jobs or single tasks, however far they are."""
    return [Step("take the jobs out of the queue", ("scancel", *jobs))] if jobs else []


def _say_end(state: str, told: str) -> str:
    said = state.lower().replace("_", " ")
    return f"{said}: {told}" if told else said


def _refuse_odd(option: str, value: str) -> None:
    """Nothing, where the value is one word that a line for sbatch may hold."""
    if not re.fullmatch(r"[\w.,:%+@/\[\]-]*", value):
        raise InputError(f"{option} {value!r} is not what sbatch takes", "sbatch --help says how it is written")


def _one_line(option: str) -> str:
    if "\n" in option or not option.startswith("-"):
        raise InputError(f"--sbatch {option!r} is no option of sbatch", "write it like --sbatch --account=vision")
    return option


def _token(request: Request, folder: Path) -> Path | None:
    """The file that says whether a node sees the checkpoints; a URL is the same everywhere."""
    if request.checkpoints is None or "://" in request.checkpoints:
        return None
    return Path(request.checkpoints) / f".{request.launch_id}"


def _make_token(request: Request, token: Path) -> str:
    folder = shlex.quote(str(request.checkpoints))
    return f"mkdir -p {folder} && : > {shlex.quote(str(token))}"


class SlurmTarget(Target):
    """A cluster that Slurm runs; this machine submits to it."""

    name = "slurm"

    def prepare(self, request: Request) -> Request:
        """See `Target`."""
        if request.options.get("time"):
            parse_time(str(request.options["time"]))
        check_folders(request, Path(request.options["folder"]))
        return check_cluster(
            request, self._run(Step("ask the cluster for its limits", ("scontrol", "show", "config")))
        )

    def steps(self, request: Request, cargo: Cargo, jobs: Sequence[Job] = ()) -> list[Step]:
        """See `Target`."""
        return plan(request, cargo.code, dict(cargo.variables), Path(request.options["folder"]))

    def start(self, request: Request, cargo: Cargo, jobs: Sequence[Job] = ()) -> Begun:
        """See `Target`."""
        said = ""
        for step in self.steps(request, cargo, jobs):
            said = self._run(step)
        return Begun((submitted_job(said),))

    def look(self, request: Request, names: Sequence[str]) -> list[Job]:
        """See `Target`."""
        return look(names, self._run)

    def end(self, request: Request, jobs: Sequence[Job]) -> None:
        """See `Target`."""
        for step in cancel([job.name for job in jobs if job.state in ("pending", "running")]):
            self._run(step)

    def stop(self, request: Request, names: Sequence[str], jobs: Sequence[Job]) -> None:
        """See `Target`; whole arrays at once."""
        if any(job.state in ("pending", "running") for job in jobs):
            for step in cancel(names):
                self._run(step)
