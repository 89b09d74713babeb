import re

import pytest

from hpotool.storage.database.functions import HotStatement, calls_of, function_names, hot_statements
from hpotool.storage.database.queries import query


@pytest.mark.parametrize("hot", hot_statements(), ids=lambda hot: hot.statement)
def test_a_function_has_the_parameters_of_its_statement(hot: HotStatement) -> None:
    assert set(re.findall(r"%\((\w+)\)s", query(hot.statement))) == set(hot.parameters)
    assert set(re.findall(r"%\((\w+)\)s", hot.call)) == set(hot.parameters)
    assert set(re.findall(r"\bgiven_(\w+)", hot.definition)) == set(hot.parameters)
    assert "%(" not in hot.definition, "a parameter was left"


@pytest.mark.parametrize("hot", hot_statements(), ids=lambda hot: hot.statement)
def test_a_name_fits_and_only_the_last_statement_answers(hot: HotStatement) -> None:
    assert len(hot.name) < 64
    *before, last = re.split(r";\n", hot.definition.partition("BEGIN\n")[2].partition("\nEND\n")[0])
    assert not any(part.lstrip().upper().startswith("SELECT") for part in before), "PL/pgSQL refuses it: PERFORM"
    assert last.lstrip().startswith("RETURN QUERY") == bool(hot.columns)


def test_another_text_is_another_function(monkeypatch: pytest.MonkeyPatch) -> None:
    hot = next(hot for hot in hot_statements() if hot.statement == "beat")
    name, changed = hot.name, query("beat") + " -- "
    monkeypatch.setattr("hpotool.storage.database.functions.query", lambda _: changed)
    assert HotStatement("beat", hot.parameters, hot.columns).name != name


def test_only_what_the_database_has_is_called() -> None:
    assert calls_of(()) == {}
    assert len(calls_of(function_names())) == len(hot_statements())
    [only] = calls_of([hot_statements()[0].name]).values()
    assert hot_statements()[0].name in only
