"""The folder that runs one trial again: its code, a script, the lock file, and the pinned requirements."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hpotool.errors import InputError
from hpotool.origins.restore import restore_code
from hpotool.study.command_template import ENVIRONMENT
from hpotool.study.origins.recipe import Recipe

LOCK = "lock.json"

_SCRIPT = """\
#!/bin/sh
# Runs trial {number} of study {study} again and compares the results. Written by hpotool {version}.
# {image}
# PYTHON=/path/to/python uses an environment that you have. Otherwise one is made here from requirements.txt.
set -eu
cd "$(dirname "$0")"
here=$(pwd)
if [ -z "${{PYTHON:-}}" ]; then
    if [ ! -e environment/complete ]; then
        {python} -m venv environment
        environment/bin/python -m pip install -r requirements.txt
        touch environment/complete
    fi
    PYTHON=$here/environment/bin/python
fi
cd {folder}
exec "$PYTHON" -m hpotool reproduce --run "$here/{lock}" "$@"
"""


def write_reproduction(recipe: Recipe, folder: Path, source: Path) -> None:
    """Write the folder. ``source`` is a repository or folder with the code, where relative data lies, too.

    Raises:
        InputError: the folder is not empty, or the code is not to be had.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is not empty", "name another folder with --output")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n")  # it is no part of the project's code
    own = folder / "code" / recipe.code.get("folder", ".")
    restore_code(recipe.code, source, folder / "code", [source / path for path in _relative(recipe.data)])
    for path in _relative(recipe.data):
        _link(own / path, source / path)
    (folder / LOCK).write_text(json.dumps(recipe.as_data(), indent=2) + "\n")
    (folder / "requirements.txt").write_text(
        "".join(f"{line}\n" for line in list_requirements(recipe.environment))
    )
    if recipe.code.get("diff"):
        (folder / "code.diff").write_text(recipe.code["diff"])
    script = folder / "reproduce.sh"
    script.write_text(_script(recipe, own.relative_to(folder)))
    script.chmod(0o755)


def list_requirements(environment: Mapping[str, Any] | None) -> Iterator[str]:
    """Every package as pip reads it: with its version, or from where it was installed."""
    found = environment or {}
    for name, version in found.get("packages", {}).items():
        url = found.get("direct", {}).get(name)
        if url is None:
            yield f"{name}=={version}"
        elif url.startswith("file:"):
            yield f"# {name} {version} was installed from a folder or file; elsewhere, install it by hand"
            yield f"{name} @ {url}"
        else:
            yield f"{name} @ {url}"


def _script(recipe: Recipe, folder: Path) -> str:
    environment = recipe.environment or {}
    image = environment.get("image")
    return _SCRIPT.format(
        number=recipe.number,
        study=recipe.study["study"],
        version=recipe.hpotool,
        image=f"It ran in the container image {image}." if image else "It did not run in a known container image.",
        python="python" + ".".join(environment.get("python", "3").split(".")[:2]),
        folder=shlex.quote(folder.as_posix()),
        lock=LOCK,
    )


def _relative(data: Mapping[str, Any] | None) -> list[str]:
    """The paths of data that lie beside the code."""
    named = [path for path in data or {} if "://" not in path and not ENVIRONMENT.search(path)]
    return [path for path in named if not Path(path).expanduser().is_absolute()]


def _link(place: Path, target: Path) -> None:
    """Data is not copied; it is looked at again before the trial runs."""
    if target.exists() and not place.exists() and not place.is_symlink():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target.absolute())
