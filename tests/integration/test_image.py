"""The wheel that the Dockerfile's second build makes: the same commands in a folder of their own, no engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def steps() -> list[tuple[str, str]]:
    """The Dockerfile's instructions up to the second installation, with continued lines joined."""
    lines = re.sub(r"\\\n\s*", " ", DOCKERFILE).splitlines()
    found = [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word in ("COPY", "RUN")]
    last = max(i for i, (word, rest) in enumerate(found) if word == "RUN" and "pip install" in rest)
    return found[: last + 1]


def copy(sources: list[str], source: Path) -> None:
    for name in sources:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)


def build(command: str, source: Path) -> None:
    """Run a ``RUN`` line; where it installs, the wheel is built and only put beside."""
    wheel = f"{sys.executable} -m pip wheel --quiet --no-deps --wheel-dir wheels"
    # What it installs from this folder, with or without extras, is built; constraints are for what it would fetch.
    command = re.sub(r"pip install [^&]*?\"?\.(?:\[[^]]*\])?\"?(?= |$)", f"{wheel} .", command)
    assert wheel in command
    subprocess.run(["sh", "-ec", command], cwd=source, check=True, capture_output=True)


def test_the_second_build_of_the_image_puts_the_real_package_into_its_wheel(tmp_path: Path) -> None:
    for word, rest in steps():
        if word == "RUN":
            build(rest, tmp_path)
        else:
            copy(rest.split()[:-1], tmp_path)
    [wheel] = (tmp_path / "wheels").glob("hpotool-*.whl")
    with zipfile.ZipFile(wheel) as built:
        inside = {name: built.read(name) for name in built.namelist()}
    for folder, place in {
        "hpotool": "",
        "objectives": "hpotool/examples/",
        "studies": "hpotool/examples/",
    }.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                name = f"{place}{path.relative_to(ROOT).as_posix()}"
                assert inside.get(name) == path.read_bytes(), f"{name} is not in the image as it is here"
