"""Every command line of the README and the docs, run as it stands, in the order in which it stands there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from hpotool.server import EmbeddedPostgres
from hpotool.server.network import own_address
from tests.acceptance.command_line import ROOT
from tests.acceptance.test_pasting import Shell

README = (ROOT / "README.md").read_text()
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

# Lines that are not run here, by how they begin, and what runs them.
ELSEWHERE = {
    "pip install": "installing is what made this environment",
    "make ": "the Makefile's own targets; one of them runs this",
    "docker compose": "make test-containers",
    "cp .env.example": "make test-containers",
    "export ": "test_operations.py",
    "hpotool track": "test_tracking.py: it needs a server",
    "wandb sync": "test_wandb.py",
    "tensorboard": "test_tensorboard.py reads the files with TensorBoard's own reader",
    "hpotool notify": "test_notifications.py: it needs addresses",
    "pg_dump": "test_operations.py",
    "pg_restore": "test_operations.py",
    "optuna": "test_pasting.py",
    "psql": "test_pasting.py",
    "hpotool db destroy": "test_db.py: it asks a terminal",
    "hpotool init": "test_init.py",
    "hpotool import": "test_import.py",
    "hpotool rename old": "test_keeping.py, as what follows: they need studies to lose",
    "hpotool clone a": "test_keeping.py",
    "hpotool archive old": "test_keeping.py",
    "hpotool delete old": "test_keeping.py",
    "hpotool retry my-study": "test_keeping.py: it needs trials that failed",
    "hpotool clean --checkpoints s3": "test_object_store.py: it needs a bucket",
    "hpotool worker --study my-model --only-objective": "test_allowed.py",
    "hpotool launch local": "test_launch.py: its study is not done",
    "hpotool launch ssh": "test_launch_ssh.py: it needs hosts",
    "hpotool compare": "test_compare.py: it needs two studies",
    "hpotool importance --target": "test_report.py: it needs trials that failed",
    "hpotool workers my-study": "test_launch.py",
    "hpotool doctor my-study": "test_doctor.py",
    "hpotool drill": "test_drill.py",
    "hpotool metrics --serve": "test_metrics.py: it serves until it is stopped",
    "hpotool worker my-study --gpu 0": "test_shared_gpus.py: it needs a GPU",
    "hpotool quarantine my-study": "test_quarantine.py: it needs a host in quarantine",
    "hpotool confirm digits": "test_confirm.py: a study of 30 trials of its own",
    "hpotool worker digits": "test_confirm.py",
    "hpotool status digits": "test_budget.py: what it shows needs twenty trials",
    "hpotool budget digits": "test_budget.py",
    "hpotool worker --pool": "test_pools.py: it needs a pool",
    "hpotool launch slurm --pool": "test_pools.py",
    "hpotool share digits": "test_pools.py",
    "hpotool run --trial 22": "test_final.py",
    "hpotool dashboard": "test_pages.py: it serves until Ctrl-C",
    "HPOTOOL_DASHBOARD_LOGIN": "test_pages.py",
    "hpotool show 7 --lineage": "test_lineage.py, as what follows: whose study is meant, it knows",
    "hpotool show --lineage": "test_lineage.py",
    "hpotool reproduce": "test_lineage.py",
    "./my-study-7/reproduce.sh": "test_lineage.py",
    "hpotool create-study study.yaml --if-changed": "test_retuning.py: it needs data",
}
# What a reader puts in: an address of the machine at hand, a study that exists.
STANDS_FOR = {
    "10.0.0.5": own_address(),
    "10.0.0.0/24": "198.51.100.0/24",
    "10.1.2.3": own_address(),
    "10.1.2.0/24": "198.51.100.0/24",
    "--study old": "--study my-model",
    "my-study": "my-model",
    "my-model-2": "my-model",
    "-p lr -p depth": "-p alpha -p penalty",
}


def documented_lines(page: Path) -> list[str]:
    """The lines of a page's shell examples, without comments; a line that goes on is one line."""
    lines: list[str] = []
    for language, block in re.findall(r"^```(console|bash)\n(.*?)^```", page.read_text(), re.M | re.S):
        block = block.replace("\\\n", " ")
        given = re.findall(r"^\$ (.*)$", block, re.M) if language == "console" else block.splitlines()
        lines += [re.sub(r"\s+#.*$", "", line).strip() for line in given if line.strip()]
    return lines


EVERY_LINE = [line for page in PAGES for line in documented_lines(page) if not line.startswith(("#", "…"))]
RUN_HERE = [line for line in EVERY_LINE if not line.startswith(tuple(ELSEWHERE))]


def test_the_table_of_what_is_run_elsewhere_names_nothing_that_is_gone() -> None:
    assert [start for start in ELSEWHERE if not any(line.startswith(start) for line in EVERY_LINE)] == []


@pytest.fixture
def reader(hpotool_home: Path, tmp_path: Path) -> Shell:
    """Somebody in a folder of their own, with the README's two files."""
    (tmp_path / "my_model.py").write_text(_block("python", "# my_model.py"))
    (tmp_path / "study.yaml").write_text(_block("yaml", "# study.yaml"))
    return Shell({"HPOTOOL_HOME": str(hpotool_home)}, tmp_path)


def test_every_documented_command_works_as_it_stands(reader: Shell, hpotool_home: Path) -> None:
    failed = []
    try:
        for line in RUN_HERE:
            for example, real in STANDS_FOR.items():
                line = line.replace(example, real)
            done = _type(line, reader)
            if done.returncode:
                failed.append(f"$ {line}\n{done.stdout[-500:]}{done.stderr[-500:]}")
    finally:
        EmbeddedPostgres(hpotool_home).destroy()
    assert not failed, "\n".join(failed)


def _type(line: str, reader: Shell) -> subprocess.CompletedProcess[str]:
    """Run a line with a terminal as its input, where somebody says yes to what it asks."""
    terminal, keyboard = os.openpty()
    try:
        os.write(terminal, b"y\n")
        return subprocess.run(
            ["sh", "-c", line], cwd=reader.folder, env=reader.environment, stdin=keyboard, capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip
    finally:
        os.close(terminal)
        os.close(keyboard)


def _block(language: str, first_line: str) -> str:
    for found in re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S):
        if found.startswith(first_line):
            return str(found)
    raise AssertionError(f"the README has no {language} block that begins with {first_line}")
