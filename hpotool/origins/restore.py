"""Brings recorded code back: from a git repository that holds its commit, or from a folder that still holds it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hpotool.errors import InputError
from hpotool.origins.code import hash_folder
from hpotool.origins.git import read_line, run_git
from hpotool.origins.hash_cache import hash_content
from hpotool.storage.fleet.code_folder import code_paths

LARGEST_COPY = 200_000_000  # bytes of a folder without git


def restore_code(code: Mapping[str, Any], source: Path, target: Path, data: Sequence[Path] = ()) -> None:
    """Put the code into ``target``, as it was. Without git, ``data`` in the folder is left out.

    Raises:
        InputError: it is not to be had from ``source``, or what is there is another code.
    """
    if code.get("commit"):
        _check_out(code, source, target)
    else:
        _refuse_other_files(code, source)
        _refuse_other_folder(code, source)
        _copy(source, target, data)
    _refuse_other_files(code, target / code.get("folder", "."))


def _check_out(code: Mapping[str, Any], source: Path, target: Path) -> None:
    commit = code["commit"]
    root = read_line(source, "rev-parse", "--show-toplevel")
    if root is None or run_git(Path(root), "cat-file", "-e", f"{commit}^{{commit}}") is None:
        remote = code.get("remote")
        raise InputError(
            f"the commit {commit[:12]} is in no git repository at {source}",
            f"{f'git clone {remote}, and ' if remote else ''}name the repository with --code FOLDER",
        )
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        target.mkdir(parents=True, exist_ok=True)
        # An index of its own: what is staged in the repository stays as it is.
        out = ("checkout-index", "-a", "-f", f"--prefix={target.absolute()}/")
        for command in (("read-tree", commit), out):
            if run_git(Path(root), *command, more=index) is None:
                raise InputError(
                    f"git could not write the files of commit {commit[:12]} into {target}",
                    "name a folder on a disk with room, where you may write, with --output FOLDER",
                )
    if code.get("diff"):
        _apply(code["diff"], target, _commit_alone(commit))


def _commit_alone(commit: str) -> str:
    """The hint where the changes since the commit cannot be brought back."""
    return f"to have the commit without them: git worktree add --detach FOLDER {commit[:12]}"


def _apply(diff: str, target: Path, hint: str) -> None:
    """Apply the patch as in no repository, even where the folder lies in one."""
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(target.absolute().parent), "LC_ALL": "C"}
    done = subprocess.run(
        ["git", "apply", "--whitespace=nowarn", "-"],
        cwd=target,
        input=diff.encode(),
        env=environment,
        capture_output=True,
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise InputError(f"the uncommitted changes of the trial cannot be applied to its commit: {said}", hint)


def _copy(source: Path, target: Path, data: Sequence[Path]) -> None:
    left_out = [path.resolve() for path in (*data, target)]
    paths = [path for path in code_paths(source) if not _is_below(source / path, left_out)]
    whole = sum((source / path).stat().st_size for path in paths)
    if whole > LARGEST_COPY:
        raise InputError(
            f"{source} holds {whole / 1e6:.0f} MB beside the study's data; that is more than code",
            "name the folder of the code with --code, or put the code under git",
        )
    for path in paths:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / path, target / path)


def _is_below(path: Path, folders: Sequence[Path]) -> bool:
    resolved = path.resolve()
    return any(resolved == folder or folder in resolved.parents for folder in folders)


def _refuse_other_folder(code: Mapping[str, Any], source: Path) -> None:
    if "tree" in code and hash_folder(source) != code["tree"]:
        raise InputError(
            f"the files of code in {source} are not those of the trial", "name the folder of that code with --code"
        )


def _refuse_other_files(code: Mapping[str, Any], folder: Path) -> None:
    for name, was in code.get("files", {}).items():
        try:
            now = hash_content(folder / name)[:16]
        except OSError:
            now = "not there"
        if now != was:
            raise InputError(
                f"{folder / name} is not the code of the trial: its content is {now}, and was {was}",
                _commit_alone(code["commit"])
                if code.get("commit")
                else "name the folder of that code with --code FOLDER",
            )
