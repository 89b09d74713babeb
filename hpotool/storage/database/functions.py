"""The statements of every trial as functions in the database, which plan them once in each connection.

Postgres plans a statement that arrives as text every time, which costs more than running it: a claim has about
twenty parts. A function's plans are kept. The text in ``storage/sql`` stays the only source: the function is made
of it, and named after its hash. So a database may have the functions of several releases, and where it does not
have this one's (tables made by an earlier hpotool, before ``hpotool db upgrade``), the text itself is sent.

The functions have their caller's rights and search path, and keep nothing in the session but their plans, so that
they work through PgBouncer. A plan must suit a study of any size, because it is kept while the study grows: so
plans use indexes even where the tables are small, and a statement is only here if the best index does not depend
on the data (``tests/integration/storage/test_claim_cost.py`` tries it).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property

from hpotool.storage.database.queries import query

_PARAMETER = re.compile(r"%\((\w+)\)s")

_FUNCTION = """
CREATE OR REPLACE FUNCTION hpotool.{name}({parameters}) RETURNS {returns} LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $hpotool$
#variable_conflict use_column
BEGIN
{body}
END
$hpotool$
"""


@dataclass(frozen=True)
class HotStatement:
    """A statement that is worth a function: the types of its parameters, and of the columns that it returns."""

    statement: str
    parameters: Mapping[str, str]
    columns: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def name(self) -> str:
        """The function's name, without its schema: another one for every other text."""
        return f"{self.statement}_{hashlib.sha256(self._definition('').encode()).hexdigest()[:12]}"

    @property
    def definition(self) -> str:
        """The statement that creates the function."""
        return self._definition(self.name)

    @property
    def call(self) -> str:
        """What to send instead of the statement, with the same parameters and the same answer."""
        given = ", ".join(f"%({name})s::{kind}" for name, kind in self.parameters.items())
        return f"SELECT {'* FROM ' if self.columns else ''}hpotool.{self.name}({given})"

    def _definition(self, name: str) -> str:
        columns = ", ".join(f"{column} {kind}" for column, kind in self.columns.items())
        return _FUNCTION.format(
            name=name,
            parameters=", ".join(f"given_{parameter} {kind}" for parameter, kind in self.parameters.items()),
            returns=f"TABLE ({columns})" if columns else "void",
            body=self._body(),
        )

    def _body(self) -> str:
        text = _PARAMETER.sub(r"given_\1", query(self.statement)).replace("%%", "%")
        *before, last = text.strip().rstrip(";").split(";\n")
        if self.columns:
            last = f"RETURN QUERY {last}"
        return "".join(f"{_without_answer(part)};\n" for part in before) + f"{last};"


def _without_answer(statement: str) -> str:
    """A statement whose rows nobody reads, in PL/pgSQL."""
    select = re.match(r"\s*SELECT\b", statement, re.IGNORECASE)
    return f"PERFORM {statement[select.end() :]}" if select else statement


_CLAIM = (
    {
        "study_id": "integer",
        "attempt_id": "uuid",
        "worker_id": "text",
        "host": "text",
        "pid": "integer",
        "slot": "text",
        "create_below": "integer",
        "final_trial_id": "integer",
        "code_hash": "text",
        "data_hash": "text",
    },
    {
        "answer": "text",
        "why": "text",
        "n_finished": "bigint",
        "n_running": "bigint",
        "n_waiting": "bigint",
        "budget": "integer",
        "n_replicates_open": "integer",
        "claimed_id": "integer",
        "claimed_number": "integer",
        "claimed_root": "integer",
        "began": "timestamp",
        "is_new_trial": "boolean",
        "history": "text[]",
    },
)


def _written(keys: str, values: str = "text[]", extras: str | None = None) -> Mapping[str, str]:
    given = {"trial_ids": "integer[]", "keys": keys, "values": values}
    return given if extras is None else {**given, "extras": extras}


_HOT = (
    HotStatement("claim", *_CLAIM),
    HotStatement("claim_in_pool", *_CLAIM),
    HotStatement(
        "finish",
        {
            "trial_id": "integer",
            "attempt_id": "uuid",
            "actor": "text",
            "state": "text",
            "outcome": "text",
            "reason": "text",
            "output_tail": "text",
            "gpu": "jsonb",
            "event": "text",
            "objectives": "integer[]",
            "values": "double precision[]",
            "value_types": "text[]",
        },
        {"ended_at": "timestamp"},
    ),
    HotStatement(
        "beat",
        {"worker_id": "text", "attempt_id": "uuid", "waits": "text", "has_checkpoint": "boolean"},
        {
            "is_owner": "boolean",
            "cancelled_because": "text",
            "study_state": "text",
            "study_reason": "text",
            "told": "text",
            "yields": "text",
        },
    ),
    HotStatement(
        "create_trial",
        {"study_id": "integer"},
        {"created_id": "integer", "its_number": "integer", "began": "timestamp"},
    ),
    HotStatement(
        "set_state_and_values",
        {
            "trial_id": "integer",
            "state": "text",
            "finished": "boolean",
            "values": "double precision[]",
            "value_types": "text[]",
        },
        {"state_before": "text", "ended_at": "timestamp"},
    ),
    HotStatement("write_params", _written("text[]", "double precision[]", "text[]")),
    HotStatement("write_steps", _written("integer[]", "double precision[]", "text[]")),
    HotStatement("write_user_attrs", _written("text[]")),
    HotStatement("write_system_attrs", _written("text[]")),
)


def hot_statements() -> tuple[HotStatement, ...]:
    """All of them."""
    return _HOT


@cache
def function_names() -> tuple[str, ...]:
    """The names of this release's functions."""
    return tuple(hot.name for hot in _HOT)


def calls_of(present: Collection[str]) -> Mapping[str, str]:
    """What to send instead of each statement whose function the database has, by the statement's text."""
    return {query(hot.statement): hot.call for hot in _HOT if hot.name in present}
