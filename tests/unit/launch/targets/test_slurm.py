from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpotool.errors import InputError
from hpotool.launch.job import Job
from hpotool.launch.plan import ProgramError, Step
from hpotool.launch.target import Cargo
from hpotool.launch.targets.slurm import (
    SlurmTarget,
    check_cluster,
    check_folders,
    job_name,
    parse_time,
    read_queue,
    render_script,
    submitted_job,
)
from tests.examples import examples
from tests.unit.launch.requests import CODE, VARIABLES, request

FOLDER = Path("/home/me/.hpotool/launches/slurm-0a1b2c")
OPTIONS = {"time": "4:00:00", "partition": "gpu", "cpus": 8, "memory": "32G", "sbatch": ["--account=vision"]}
CONFIG = "KillWait                = 60 sec\nMaxArraySize            = 1001\n"


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("90", timedelta(minutes=90)),
        ("5:30", timedelta(minutes=5, seconds=30)),
        ("1:30:00", timedelta(minutes=90)),
        ("2-12", timedelta(days=2, hours=12)),
        ("1-0:30", timedelta(days=1, minutes=30)),
        ("1-1:1:1", timedelta(days=1, hours=1, minutes=1, seconds=1)),
    ],
)
def test_a_time_limit_is_read_as_sbatch_reads_it(text: str, limit: timedelta) -> None:
    assert parse_time(text) == limit


@pytest.mark.parametrize(
    "text", ["4", "4:59", "0:04:00", "0-0:4", "1h", "", "1:2:3:4", "-5", "9" * 20, "1-" + "9" * 20, "٣"]
)
def test_a_time_limit_that_cannot_work_is_refused(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_time(text)
    assert refused.value.hint


def test_the_script_is_one_that_bash_reads_and_holds_no_secret() -> None:
    asked = request("slurm", options=OPTIONS, checkpoints="/shared/it's")
    script = render_script(asked, FOLDER)
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    directives = [line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH")]
    assert directives == [
        "--job-name=hpotool-my-model-2",
        "--comment=hpotool:slurm-0a1b2c",
        "--array=0-2",
        "--cpus-per-task=8",
        "--gres=gpu:1",
        "--time=4:00:00",
        "--partition=gpu",
        "--mem=32G",
        "--signal=B:USR1@120",
        "--requeue",
        "--open-mode=append",
        "--export=NIL",
        f'--output="{FOLDER}/%A_%a.log"',
        "--account=vision",
    ]
    steps = SlurmTarget().steps(
        request("slurm", options={**OPTIONS, "folder": str(FOLDER)}), Cargo(CODE, VARIABLES)
    )
    assert not [step for step in steps if "s3cret" in " ".join(step.argv) + step.as_text()]
    assert [b"s3cret" in step.reads for step in steps] == [True, False, False]


def run_script(tmp_path: Path, worker: str, **changes: object) -> subprocess.CompletedProcess[str]:
    """The batch script as a node runs it, with programs of the test in place of the worker and of scontrol."""
    (tmp_path / "environment").write_text(f"PATH={tmp_path}:$PATH\n")
    for name, content in {"hpotool": worker, "scontrol": f'echo "scontrol $*" >> {tmp_path}/told\n'}.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{content}")
        (tmp_path / name).chmod(0o755)
    asked = request("slurm", hpotool="hpotool", code=str(tmp_path), code_hash=None, **changes)  # type: ignore[arg-type]
    job = {"SLURM_JOB_ID": "17", "SLURM_ARRAY_JOB_ID": "15", "SLURM_ARRAY_TASK_ID": "2", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        ["bash", "-c", render_script(asked, tmp_path)], env=job, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("listens", [True, False])
def test_a_worker_that_the_time_limit_ended_is_queued_again(tmp_path: Path, listens: bool) -> None:
    trap = 'trap "exit 75" USR1; ' if listens else ""
    done = run_script(tmp_path, f"{trap}kill -USR1 $PPID; while :; do sleep 0.02; done")
    assert done.returncode == (75 if listens else 138), "also before Python can listen"
    assert (tmp_path / "told").read_text() == "scontrol requeue 17\n"


@pytest.mark.parametrize(
    "worker", ["exit 75", 'trap "exit 0" USR1; kill -USR1 $PPID; while :; do sleep 0.02; done']
)
def test_a_worker_that_was_cancelled_or_is_done_is_not(tmp_path: Path, worker: str) -> None:
    run_script(tmp_path, worker)
    assert not (tmp_path / "told").exists()


def test_a_node_that_does_not_see_the_checkpoints_says_so(tmp_path: Path) -> None:
    done = run_script(tmp_path, "exit 0", checkpoints=str(tmp_path / "gone"))
    assert done.returncode == 2
    assert "is not shared" in done.stderr


def test_a_worker_knows_its_place(tmp_path: Path) -> None:
    assert run_script(tmp_path, 'echo "$HPOTOOL_LAUNCH $HPOTOOL_JOB"').stdout == "slurm-0a1b2c 15_2\n"


def test_the_grace_is_what_the_cluster_gives() -> None:
    assert check_cluster(request("slurm"), CONFIG).grace_s == 50
    assert check_cluster(request("slurm"), "").grace_s == 20
    with pytest.raises(InputError, match="KillWait"):
        check_cluster(request("slurm"), "KillWait = 12 sec")
    with pytest.raises(InputError, match="at most 1000 tasks"):
        check_cluster(request("slurm", workers=1001), CONFIG)


def test_a_folder_of_each_nodes_own_is_refused() -> None:
    for changes, option in (({"code": "/tmp/x"}, "--code"), ({"checkpoints": "/dev/shm/c"}, "--checkpoints")):
        with pytest.raises(InputError, match=f"{option} .* is not shared"):
            check_folders(request("slurm", **changes), FOLDER)
    check_folders(request("slurm", checkpoints="s3://b/tmp"), FOLDER)
    check_folders(request("slurm", code="/tmp/x", options={"is_one_machine": True}), FOLDER)


def test_the_queue_is_read_with_its_reasons() -> None:
    said = "15_0|RUNNING|n1|None\n15_1|PENDING||Resources\n15_2|CANCELLED by 0|n3|None\n15_3|NODE_FAIL|n4|None\n"
    assert read_queue(said) == [
        Job("15_0", "running", "", "n1"),
        Job("15_1", "pending", "Resources", ""),
        Job("15_2", "ended", "cancelled by 0", "n3"),
        Job("15_3", "ended", "node fail", "n4"),
    ]
    assert read_queue("") == []


def test_jobs_that_slurm_has_forgotten_are_no_error() -> None:
    def forgotten(step: Step) -> str:
        raise ProgramError("ask the queue: slurm_load_jobs error: Invalid job id specified", None, 1)

    assert SlurmTarget(forgotten).look(request("slurm"), ["15"]) == []


def test_only_what_is_open_is_cancelled() -> None:
    steps: list[Step] = []
    target = SlurmTarget(lambda step: steps.append(step) or "")  # type: ignore[func-returns-value]
    jobs = [Job("15_0", "running"), Job("15_1", "pending"), Job("15_2", "ended")]
    target.end(request("slurm"), jobs)
    target.stop(request("slurm"), ["15", "16"], jobs)
    target.stop(request("slurm"), ["15", "16"], jobs[2:])
    assert [step.argv for step in steps] == [("scancel", "15_0", "15_1"), ("scancel", "15", "16")]


def test_names_and_answers() -> None:
    assert job_name("a/b c é") == "hpotool-a-b-c-"
    assert submitted_job("sbatch: note\n4711;cluster\n") == "4711"
    for option in ("time", "partition", "memory"):
        with pytest.raises(InputError, match=f"--{option} .* is not what sbatch takes"):
            render_script(request("slurm", options={option: "1\n#SBATCH --uid=0"}), FOLDER)
    with pytest.raises(InputError, match="is no option of sbatch"):
        render_script(request("slurm", options={"sbatch": ["rm -rf"]}), FOLDER)


@given(st.integers(0, 99), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_every_way_to_write_a_time_limit_means_the_same(days: int, hours: int, minutes: int, seconds: int) -> None:
    limit = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    written = [f"{days}-{hours:02}:{minutes:02}:{seconds:02}", f"{days * 24 + hours}:{minutes}:{seconds}"]
    written += [f"{(days * 24 + hours) * 60 + minutes}:{seconds:02}"]
    if not seconds:
        written += [f"{days}-{hours}:{minutes}", str((days * 24 + hours) * 60 + minutes)]
        written += [f"{days}-{hours}"] if not minutes else []
    for text in written:
        if limit < timedelta(minutes=5):
            with pytest.raises(InputError, match="would do nothing but start and leave"):
                parse_time(text)
        else:
            assert parse_time(text) == limit


FOLDERS = st.text(st.sampled_from("ab/'\"$`\\ ;&|*é\t!#"), min_size=1, max_size=12)


@settings(max_examples=examples(25), deadline=None)
@given(FOLDERS, FOLDERS)
def test_a_batch_script_is_read_by_bash_whatever_the_names_of_folders(checkpoints: str, code: str) -> None:
    """The part before the worker runs in a real shell: it must not run what a name contains."""
    asked = request("slurm", options=OPTIONS, checkpoints=f"/nowhere/{checkpoints}", code=f"/nowhere/{code}")
    script = render_script(asked, FOLDER)
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    start = script.index("if [ ! -e ")
    said = subprocess.run(
        ["bash", "-c", script[start : script.index("fi\n", start) + 3]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 2
    assert said.stderr.startswith(f"error: the checkpoint folder /nowhere/{checkpoints} is not shared: ")


@given(st.text(min_size=1))
def test_the_name_of_a_job_is_one_word_for_any_study(study: str) -> None:
    assert set(job_name(study)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
    assert len(job_name(study)) <= 70


@given(st.lists(st.lists(st.text(st.characters(exclude_characters="\n\r"), max_size=9), max_size=5).map("|".join)))
def test_whatever_the_queue_says_is_a_list_of_jobs(lines: list[str]) -> None:
    for job in read_queue("\n".join(lines)):
        assert job.name
        assert job.state in ("pending", "running", "ended", "lost", "unknown")


@pytest.mark.parametrize(
    ("said", "job"),
    [("123\n", "123"), ("123;cluster\n", "123"), ("sbatch: a hint\n123\n", "123"), ("  77  \n\n", "77")],
)
def test_the_number_of_a_job_is_in_the_last_line(said: str, job: str) -> None:
    assert submitted_job(said) == job


@pytest.mark.parametrize("said", ["", "\n", "   \n", "Submitted batch job\n", "sbatch: error\n"])
def test_an_answer_without_a_number_is_an_error_that_shows_it(said: str) -> None:
    with pytest.raises(ProgramError, match="sbatch named no job") as refused:
        submitted_job(said)
    assert said.strip() in refused.value.message


@pytest.mark.parametrize(
    ("line", "state", "why"),
    [
        ("15_0|RUNNING|n1|None", "running", ""),
        ("15_0|PENDING||Resources", "pending", "Resources"),
        ("15_0|PENDING||None", "pending", ""),
        ("15_0|SUSPENDED|n1|", "pending", ""),
        ("15_0|COMPLETED|n1|None", "ended", "completed"),
        ("15_0|OUT_OF_MEMORY|n1|OutOfMemory", "ended", "out of memory: OutOfMemory"),
        ("15_0|NODE_FAIL|n1|", "ended", "node fail"),
        ("15_0|SOMETHING_NEW|n1|why|more", "ended", "something new: why|more"),
        ("15_0", "ended", ""),
    ],
)
def test_each_state_of_a_task_is_told_with_its_reason(line: str, state: str, why: str) -> None:
    [job] = read_queue(f"{line}\n\n")
    assert (job.name, job.state, job.why) == ("15_0", state, why)


@settings(max_examples=examples(60))
@given(st.text(max_size=100))
def test_any_study_has_a_name_that_slurm_takes(study: str) -> None:
    import re

    name = job_name(study)
    assert re.fullmatch(r"hpotool-[A-Za-z0-9_.-]*", name)
    assert len(name) <= 68


@pytest.mark.parametrize("option", ["account=vision", "vision", "", "--a\n#SBATCH --b"])
def test_another_option_has_to_be_one(option: str) -> None:
    with pytest.raises(InputError, match="is no option of sbatch"):
        render_script(request("slurm", options={"sbatch": [option], "folder": str(FOLDER)}), FOLDER)


@pytest.mark.parametrize("name", ["time", "partition", "memory"])
@pytest.mark.parametrize("value", ["a b", "x\n#SBATCH --y", "$(id)", "a;b", "'q'"])
def test_a_value_that_is_no_word_never_gets_into_a_script(name: str, value: str) -> None:
    with pytest.raises(InputError, match=f"--{name} .* is not what sbatch takes"):
        render_script(request("slurm", options={name: value, "folder": str(FOLDER)}), FOLDER)
