"""The schema that editors complete with is one, and takes the examples."""

from __future__ import annotations

import json

import jsonschema
import pytest

from hpotool.cli.commands.describe.schema import schema
from hpotool.cli.example_files import list_examples, read_example
from hpotool.study.yaml.document import parse_yaml


def test_what_is_printed_is_a_schema_of_the_examples(capsys: pytest.CaptureFixture[str]) -> None:
    schema()
    printed = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(printed)
    validator = jsonschema.Draft202012Validator(printed)
    for name in list_examples():
        [text, *_] = read_example(name).values()
        assert [error.message for error in validator.iter_errors(parse_yaml(text, name).plain())] == [], name
    assert list(validator.iter_errors({"study": "s", "samplr": {}}))
