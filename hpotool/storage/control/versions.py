"""The versions and the objective's code with which a study was created, compared with those of a worker."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import PathFinder
from importlib.metadata import version
from pathlib import Path

from hpotool import __version__
from hpotool.study.spec import ObjectiveSpec

_GIT_PATIENCE_S = 10.0
_WORDS = {"code": "the objective's code (SHA-256)", "commit": "the git commit", "python": "Python"}


def running_versions(objective: ObjectiveSpec) -> dict[str, str]:
    """The versions and the code of this process, as stored with a study.

    ``code`` is a hash of the objective's file, ``commit`` that of its git repository, with ``+changes`` if files
    differ from it; each is left out if it cannot be determined. The objective is not imported.
    """
    found = {"hpotool": __version__, "optuna": version("optuna"), "python": platform.python_version()}
    files = code_files(objective)
    if files:
        found["code"] = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]
        commit = _commit_of(files[0].parent)
        if commit is not None:
            found["commit"] = commit
    return found


def version_differences(stored: Mapping[str, str], running: Mapping[str, str]) -> list[str]:
    """The differences between a worker and the state in which the study was created, as sentences."""
    return [
        f"{_WORDS.get(name, name)} is {running[name]} here, but was {value} when the study was created"
        for name, value in stored.items()
        if name in running and running[name] != value
    ]


def code_differences(
    source_name: str, source: Mapping[str, str], target_name: str, target: Mapping[str, str]
) -> list[str]:
    """The differences between the stored code of two studies' objectives, as sentences.

    Code that could not be determined when a study was created counts as different; commits are compared if both
    studies have one.
    """
    if not ("code" in source and "code" in target):
        without = [name for name, stored in ((source_name, source), (target_name, target)) if "code" not in stored]
        return [f"the objective's code is not stored with {name!r}" for name in without]
    return [
        f"{_WORDS[key]} is {source[key]} in {source_name!r} but {target[key]} in {target_name!r}"
        for key in ("code", "commit")
        if key in source and key in target and source[key] != target[key]
    ]


def code_files(objective: ObjectiveSpec) -> list[Path]:
    """The file of a Python objective's module, or the files among a command's arguments."""
    if objective.command is not None:
        named = [Path(argument) for argument in objective.command if "{" not in argument]
        return [path for path in named if path.is_file()]
    module = (objective.python or "").partition(":")[0]
    path: Sequence[str] | None = [str(Path.cwd()), *sys.path]
    for i in range(len(parts := module.split("."))):
        spec = PathFinder.find_spec(".".join(parts[: i + 1]), path)
        if spec is None:
            return []
        if i == len(parts) - 1:
            return [Path(spec.origin)] if spec.origin and Path(spec.origin).is_file() else []
        path = spec.submodule_search_locations
    return []


def _commit_of(folder: Path) -> str | None:
    commit = _git(folder, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}+changes" if changes else commit


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=_GIT_PATIENCE_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
