"""The SQL of this package: each statement lives in a file of ``storage/sql`` and has that file's name.

A line ``-- include: NAME`` in a file stands for the content of ``NAME.sql``: that is how two statements share the
part that must not differ between them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

_INCLUDE = re.compile(r"^-- include: ([\w/]+)$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*\n?", re.MULTILINE)


def to_jsonb(data: Mapping[str, Any]) -> str:
    """``data`` for a ``jsonb`` column. Not as escapes, which a database in SQL_ASCII refuses there."""
    return json.dumps(dict(data), ensure_ascii=False)


@cache
def query(name: str) -> str:
    """The statement of the file ``sql/<name>.sql``, its includes put in and its comments left out."""
    text = (files("hpotool.storage") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    whole = _INCLUDE.sub(lambda found: query(found.group(1)), text)
    return _COMMENT.sub("", whole)


def optuna_query(name: str) -> str:
    """The statement of the file ``sql/optuna/<name>.sql``: those that touch Optuna's own tables only."""
    return query(f"optuna/{name}")
