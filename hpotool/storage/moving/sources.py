"""Reads whole studies of other programs as `SourceStudy`, without changing them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy
from optuna.storages import RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import FrozenTrial
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, SQLAlchemyError

from hpotool.errors import DatabaseUnreachableError, InputError, NotFoundError, paste, quote_path
from hpotool.storage.database.url import DatabaseUrl

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

_HINT = "hpotool import sqlite:///old.db, a file of Optuna's JournalStorage, or trials.csv"
_STUDY_FILES = (".yaml", ".yml")
_SQLITE = b"SQLite format 3\0"
_DRIVERS = {"mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}


@dataclass(frozen=True)
class SourceStudy:
    """A study in another place.

    Attributes:
        source: a permanent name of the place, without a password.
        trials: in order of their numbers.
    """

    source: str
    name: str
    directions: Sequence[str]  # MINIMIZE, MAXIMIZE
    trials: Sequence[FrozenTrial]
    user_attrs: Mapping[str, Any] = field(default_factory=dict)
    system_attrs: Mapping[str, Any] = field(default_factory=dict)


def read_optuna_studies(address: str, names: Sequence[str] = ()) -> list[SourceStudy]:
    """The studies of an Optuna storage, given by a database's URL or a file; all, or those with the names.

    Raises:
        NotFoundError: there is no such file or study.
        InputError: it is not an Optuna storage, or this version of Optuna cannot read it.
        DatabaseUnreachableError: the database does not answer.
    """
    source, storage = _open(address)
    with _explained(source):
        found = storage.get_all_studies()
        _refuse_unknown(names, [study.study_name for study in found], source)
        return [
            SourceStudy(
                source,
                study.study_name,
                [direction.name for direction in study.directions],
                sorted(storage.get_all_trials(study._study_id, deepcopy=False), key=lambda trial: trial.number),
                study.user_attrs,
                study.system_attrs,
            )
            for study in found
            if not names or study.study_name in names
        ]


def _refuse_unknown(names: Sequence[str], known: Sequence[str], source: str) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        has = ", ".join(map(repr, sorted(known))) or "none"
        raise NotFoundError(f"{source} has no study {unknown[0]!r}", f"it has {has}")


def _open(address: str) -> tuple[str, BaseStorage]:
    if "://" in address:
        return _open_database(address)
    path = Path(address)
    if not path.exists():
        raise NotFoundError(f"the file {address} does not exist", _HINT)
    if not path.is_file():
        raise InputError(f"{address} is not a file", _HINT)
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise InputError(
            f"the file {address} cannot be read: {error.strerror}", f"ls -l {quote_path(path)}"
        ) from None
    if head.startswith(_SQLITE):
        return _open_database(f"sqlite:///{path.resolve()}")
    if not head.lstrip().startswith(b'{"op_code"') and b'"op_code"' not in head.partition(b"\n")[0]:
        hint = (
            f"to create a study from a study file: {paste('create-study', '--', address)}"
            if path.suffix in _STUDY_FILES
            else _HINT
        )
        raise InputError(f"{address} is neither an SQLite database nor an Optuna journal", hint)
    with _explained(address):
        return str(path.resolve()), JournalStorage(JournalFileBackend(str(path)))


def _open_database(text: str) -> tuple[str, BaseStorage]:
    url = _read_url(text)
    is_postgres = url.get_backend_name() == "postgresql"
    source = str(DatabaseUrl(url)) if is_postgres else url.render_as_string(hide_password=True)
    with _explained(source):
        engine = sqlalchemy.create_engine(url)
        try:
            tables = sqlalchemy.inspect(engine).get_table_names()
        finally:
            engine.dispose()
        if "version_info" not in tables or "studies" not in tables:
            raise InputError(f"{source} contains no Optuna studies", _HINT)
        return source, RDBStorage(url.render_as_string(hide_password=False), skip_table_creation=True)


def _read_url(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise InputError("the storage URL cannot be read", _HINT) from None
    backend = url.drivername.partition("+")[0]
    if backend in ("postgresql", "postgres"):
        return DatabaseUrl.parse(text).url
    if backend == "sqlite":
        if not url.database:
            raise InputError("the URL does not name an SQLite file", _HINT)
        path = Path(url.database)
        if not path.is_file():
            raise NotFoundError(f"the file {url.database} does not exist", _HINT)
        return url.set(database=str(path.resolve()))
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


@contextmanager
def _explained(source: str) -> Iterator[None]:
    """Turn errors of Optuna and SQLAlchemy into messages."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about choices that are lists, which are kept unchanged
            yield
    except NoSuchModuleError as error:
        raise InputError(f"{source} is not a database that SQLAlchemy can open here: {error}", _HINT) from None
    except ImportError as error:
        raise InputError(f"the driver for {source} is missing: {error}", f"pip install {error.name}") from None
    except RuntimeError as error:  # Optuna's message for tables of another version
        reason = " ".join(str(error).split())
        raise InputError(f"{source}: {reason}", "optuna storage upgrade --storage URL") from None
    except DatabaseError as error:
        reason = " ".join(str(error.orig).split())
        raise DatabaseUnreachableError(f"{source} cannot be read: {reason}", "check the URL") from None
    except (SQLAlchemyError, ValueError, KeyError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{source} cannot be read: {reason}", _HINT) from None
