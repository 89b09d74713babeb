"""Asks git about the repository around a folder; never changes it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_PATIENCE_S = 30.0
# A repository's or a user's settings must not change what is recorded.
_FIXED = ("-c", "core.quotepath=off", "-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false")
_DIFF = ("diff", "--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--full-index")


def run_git(
    folder: Path, *arguments: str, may_fail: bool = False, more: Mapping[str, str] | None = None
) -> bytes | None:
    """What git prints; None without git, or if it fails (``may_fail``: what it printed even then).

    ``more`` is added to its environment.
    """
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", **(more or {})}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *_FIXED, *arguments],
            capture_output=True,
            timeout=_PATIENCE_S,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 or may_fail else None


def read_line(folder: Path, *arguments: str) -> str | None:
    """The one line that git prints."""
    found = run_git(folder, *arguments)
    return os.fsdecode(found).rstrip("\n") or None if found is not None else None


def read_paths(folder: Path, *arguments: str) -> list[str]:
    """The paths that git prints with ``-z``."""
    return [os.fsdecode(path) for path in (run_git(folder, *arguments) or b"").split(b"\0") if path]


def read_diff(root: Path, tracked: list[str], untracked: list[str]) -> bytes:
    """A patch that ``git apply`` makes the working tree of: changes of ``tracked`` pathspecs, and new files."""
    changed = run_git(root, *_DIFF, "HEAD", "--", *tracked) or b""
    new = (run_git(root, *_DIFF, "--no-index", "--", os.devnull, path, may_fail=True) for path in untracked)
    return changed + b"".join(filter(None, new))
