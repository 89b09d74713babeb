"""Shell scripts for machines without a scheduler: they start workers that outlive their starter, and look at them.

Each worker has a wrapper that writes its process id, hands signals on and keeps its exit code.
``setsid`` frees it from the terminal or the connection. A pid is believed only while its process carries the
name of the launch in its environment: after a reboot it may be anybody's.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from hpotool.launch.job import Job, JobState
from hpotool.launch.request import Request

ENVIRONMENT, CODE_LIST = "environment", "code.json"

_START = """\
set -eu
cd {folder}
folder=$(pwd)
cat > worker <<'END_OF_WORKER'
#!/bin/sh
# One worker of {launch_id}: worker FOLDER PLACE GPU
set -a
. "$1/{environment}"
HPOTOOL_LAUNCH={launch_id}
HPOTOOL_JOB={prefix}$2
{code_variables}set +a
cd {code}
trap 'told=1; kill -TERM "$worker" 2>/dev/null' TERM
{command} &
worker=$!
echo "$worker" > "$1/$2.pid.new" && mv "$1/$2.pid.new" "$1/$2.pid"
if [ -n "$told" ]; then kill -TERM "$worker"; fi
wait "$worker"; code=$?
while kill -0 "$worker" 2>/dev/null; do wait "$worker"; code=$?; done  # a signal ended the wait
echo "$code" > "$1/$2.exit.new" && mv "$1/$2.exit.new" "$1/$2.exit"  # whole or absent, for who looks
END_OF_WORKER
{starts}"""
_START_ONE = (
    'setsid -f sh "$folder/worker" "$folder" {place} {gpu} >> "$folder/{place}.log" 2>&1 < /dev/null'
    ' || {{ echo "setsid (util-linux) is not here" >&2; exit 1; }}\n'
)
_LOOK = """\
cd {folder} 2>/dev/null || exit 0
for file in *.log; do
    [ -e "$file" ] || continue
    place=${{file%.log}}
    state=starting
    if [ -e "$place.exit" ]; then
        state="ended $(cat "$place.exit")"
    elif [ -e "$place.pid" ]; then
        pid=$(cat "$place.pid")
        state=vanished
        if kill -0 "$pid" 2>/dev/null; then
            if [ ! -r "/proc/$pid/environ" ] || tr '\\0' '\\n' < "/proc/$pid/environ" | grep -qx {mark}; then
                state=runs
            fi
        fi
    fi
    printf '%s\\t%s\\t%s\\n' "$place" "$state" "$(tail -n 1 "$file" | cut -c 1-300)"
done
"""
_EXIT_CODES = {
    "0": "done, or told to leave",
    "75": "a signal ended it with work left",
    "130": "Ctrl-C ended it",
    "126": "the program cannot be started",
    "127": "the program is not there",
}


@dataclass(frozen=True)
class Place:
    """A worker's place on a machine: its name there, and the GPUs it gets."""

    name: str
    gpu: str


def next_places(request: Request, count: int, taken: Sequence[str]) -> list[Place]:
    """``count`` places that nobody has: the first free GPUs of the machine, and names that were never used.

    ``taken`` are the names of all places of the launch on that machine that run; a name ends in its number.
    """
    free = (number for number in range(len(taken) + count) if f"w{number + 1}" not in set(taken))
    return [
        Place(f"w{number + 1}", request.first_gpus(number)) for number, _ in zip(free, range(count), strict=False)
    ]


def render_start(
    request: Request, folder: str, code: str, code_list: str, prefix: str, places: Sequence[Place]
) -> str:
    """The script that starts a worker at each place.

    Args:
        folder: the launch's folder on that machine; variables are put in, relative to the home folder.
        code: the folder to run in, in the shell's own spelling.
        code_list: the file that names what was hashed, in the shell's own spelling.
        prefix: what the names of places begin with in the registry: the machine's name.
    """
    words = [shlex.quote(word) for word in request.worker_words('"$3"')]
    command = " ".join('"$3"' if word == shlex.quote('"$3"') else word for word in words)
    variables = f"HPOTOOL_CODE={request.code_hash}\nHPOTOOL_CODE_LIST={code_list}\n" if request.code_hash else ""
    return _START.format(
        folder=folder,
        launch_id=request.launch_id,
        environment=ENVIRONMENT,
        prefix=shlex.quote(prefix),
        code_variables=variables,
        code=code,
        command=command,
        starts="".join(
            f'rm -f "$folder/{place.name}.exit" "$folder/{place.name}.pid"\n'
            + _START_ONE.format(place=place.name, gpu=place.gpu)
            for place in places
        ),
    )


def render_look(folder: str, launch_id: str) -> str:
    """The script that says of each place what its process does."""
    return _LOOK.format(folder=folder, mark=shlex.quote(f"HPOTOOL_LAUNCH={launch_id}"))


def read_look(text: str, prefix: str, where: str) -> list[Job]:
    """What `render_look`'s script has written, as jobs."""
    jobs = []
    for line in text.splitlines():
        place, state, last_line = [*line.split("\t", 2), "", ""][:3]
        jobs.append(Job(f"{prefix}{place}", *_judge(state, last_line.strip()), where=where))
    return jobs


def _judge(state: str, last_line: str) -> tuple[JobState, str]:
    word, _, code = state.partition(" ")
    if word == "runs":
        return "running", ""
    if word == "starting":
        return "pending", "its process is being started"
    if word == "ended":
        meaning = _EXIT_CODES.get(code) or last_line or "see its log"
        return "ended", f"exit code {code}: {meaning}"
    return "lost", "its process is gone, and said nothing: killed, or the machine was restarted"


def render_end(folder: str, places: Sequence[str]) -> str:
    """The script that has the workers of these places hand their trial back and leave."""
    lines = [f'[ ! -e {place}.pid ] || kill -TERM "$(cat {place}.pid)" 2> /dev/null || true\n' for place in places]
    return f"cd {folder} || exit 0\n" + "".join(lines)


def place_of(job_name: str) -> str:
    """The place in a job's name, without its machine."""
    return job_name.rpartition("/")[2]
