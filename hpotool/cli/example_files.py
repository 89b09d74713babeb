"""The examples that come with hpotool: a study file each, and the model that it names.

An installed package holds them in a folder of its own; in a checkout they lie beside the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import hpotool
from hpotool.errors import InputError, NotFoundError

_PACKAGE = Path(hpotool.__file__).parent


def list_examples() -> list[str]:
    """The names of the examples."""
    return sorted(path.stem for path in (_folder() / "studies").glob("*.yaml"))


def read_example(name: str) -> dict[Path, str]:
    """The files of an example by their paths below the user's folder, its study file first.

    Raises:
        NotFoundError: there is no such example.
    """
    from hpotool.study.yaml.document import did_you_mean

    known, wanted = list_examples(), name.replace("-", "_")
    if wanted not in known:
        raise NotFoundError(
            f"there is no example {name!r}{did_you_mean(wanted, known)}", f"the examples are {', '.join(known)}"
        )
    study = Path("studies", f"{wanted}.yaml")
    text = (_folder() / study).read_text(encoding="utf-8")
    return {study: text} | {path: (_folder() / path).read_text(encoding="utf-8") for path in _models(text)}


def write_new_files(files: Mapping[Path, str]) -> None:
    """Write files that do not exist; one that is there already, word for word, is left alone.

    Raises:
        InputError: one exists with another content, or cannot be written. Then none is written that was not yet.
    """
    changed = [path for path, text in files.items() if path.exists() and not _holds(path, text)]
    if changed:
        raise InputError(f"{changed[0]} exists already, and is not overwritten", "do it in an empty folder")
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}", "do it in another folder") from None


def _folder() -> Path:
    installed = _PACKAGE / "examples"
    return installed if installed.is_dir() else _PACKAGE.parent


def _models(study: str) -> list[Path]:
    """What of the folder ``objectives`` a study runs, as a module or as a command's argument."""
    import yaml

    objective = str(yaml.safe_load(study)["objective"])
    files = sorted(path for path in (_folder() / "objectives").iterdir() if path.suffix in (".py", ".sh"))
    return [Path("objectives", file.name) for file in files if _is_named(file, objective)]


def _is_named(file: Path, objective: str) -> bool:
    if file.name == "__init__.py" or f"objectives/{file.name}" in objective:
        return True
    return file.suffix == ".py" and f"objectives.{file.stem}:" in objective


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False
