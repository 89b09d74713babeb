"""``hpotool init``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpotool.cli.options import StorageOption
from hpotool.cli.output import say
from hpotool.errors import InputError, StudyFileError, paste
from hpotool.user_files import read_text_file

if TYPE_CHECKING:
    from hpotool.study.draft.write import Draft

_HINT = "hpotool init train.py, or init sweep.yaml, or init --from-study NAME, or init --example quadratic"


def _complete_example(incomplete: str) -> list[str]:
    from hpotool.cli.example_files import list_examples

    return [name for name in list_examples() if name.startswith(incomplete)]


def init(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="A Python script, a Weights & Biases sweep, or a config of Hydra's Optuna sweeper.",
            show_default=False,
        ),
    ] = None,
    from_study: Annotated[
        str | None,
        typer.Option(
            "--from-study",
            metavar="NAME",
            help="Start from a study of plain Optuna, or an imported one.",
            show_default=False,
        ),
    ] = None,
    example: Annotated[
        str | None,
        typer.Option(
            "--example",
            metavar="NAME",
            help="An example with its model: folds_digits, forest_tradeoff, pytorch_digits, pytorch_population, "
            "pytorch_tiers, quadratic, quadratic_shell, sgd_digits, xgboost_digits.",
            show_default=False,
            autocompletion=_complete_example,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The study file to write [default: NAME.yaml].",
            show_default=False,
        ),
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Write a first study file, with comments; runs nothing and overwrites no file."""
    from hpotool.study.draft.write import format_draft

    if sum(one is not None for one in (source, from_study, example)) != 1:
        raise InputError("give one of these: a file, --from-study or --example", _HINT)
    if example is not None:
        _write_example(example, output)
        return
    if from_study is not None:
        text, name = _text_of_study(from_study, storage)
    else:
        assert source is not None
        draft = _draft_file(source)
        text, name = format_draft(draft, str(source)), draft.name
    path = output or Path(f"{name}.yaml")
    _write_new(path, text)
    say(f"wrote {path}")
    _say_what_next(path, text)
    sys.stdout.write(f"{path}\n")


def _write_example(name: str, output: Path | None) -> None:
    from hpotool.cli.example_files import read_example, write_new_files

    if output is not None:
        raise InputError("the files of an example have names of their own", paste("init", "--example", name))
    files = read_example(name)
    write_new_files(files)
    study, *_ = files
    say(f"wrote {', '.join(map(str, files))}")
    say(f"next: {paste('check', '--', str(study))}")
    say(f"then: {paste('create-study', '--', str(study))}")
    sys.stdout.write(f"{study}\n")


def _draft_file(source: Path) -> Draft:
    from hpotool.study.draft.script import draft_script
    from hpotool.study.draft.sweeps import draft_sweep

    text = read_text_file(source, hint=lambda: _HINT)
    if source.suffix.lower() in (".yaml", ".yml"):
        return draft_sweep(text, str(source), source.stem)
    if source.suffix.lower() != ".py":
        raise InputError(f"{source} is neither a Python script nor YAML", _HINT)
    module = ".".join(source.with_suffix("").parts) if not source.is_absolute() else source.stem
    return draft_script(text, str(source), module.lstrip("."))


def _text_of_study(name: str, storage: str | None) -> tuple[str, str]:
    """A study file for an existing study, and the study's name; uses the stored settings if there are any."""
    from hpotool.analysis.exports.draft_study import draft_study
    from hpotool.cli.database import connect, find_study, load_study
    from hpotool.storage.control.creation import find_study_id
    from hpotool.storage.control.orders import read_settings
    from hpotool.storage.database.schema import ensure_schema
    from hpotool.study.draft.write import format_draft
    from hpotool.study.file.grammar.values import check_study_name
    from hpotool.study.yaml.document import format_yaml

    connection = connect(storage)
    found = find_study(connection, name).name
    try:
        check_study_name(found)
    except ValueError as error:
        raise InputError(str(error), paste("rename", "--", found, "NEW_NAME")) from None
    ensure_schema(connection.url)
    settings = read_settings(connection.run, find_study_id(connection, found))
    if settings is not None and settings.spec is not None:
        return f"# The settings of study {found}, with all defaults.\n{format_yaml(settings.spec)}", found
    return format_draft(draft_study(load_study(connection, found)), f"study {found}"), found


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(
            f"{path} already exists, and init overwrites no file", "name another file: -o OTHER.yaml"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", "choose another --output") from None


def _say_what_next(path: Path, text: str) -> None:
    """Print what is still wrong in the file, and the next command."""
    from hpotool.study.file.reader import read_study_file

    try:
        read_study_file(text, str(path))
    except StudyFileError as error:
        for problem in error.problems:
            say(f"to fix: {problem}")
    say(f"next: review the file, then: {paste('check', '--', str(path))}")
    say(f"then: {paste('create-study', '--', str(path))}")
