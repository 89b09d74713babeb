"""The JSON schema for editors says what the reader says."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hpotool.errors import StudyFileError
from hpotool.study.file.grammar.algorithms import PRUNERS, SAMPLERS
from hpotool.study.file.grammar.kinds import Record
from hpotool.study.file.grammar.study import RETRY, STUDY, json_schema
from hpotool.study.file.reader import read_study_file
from hpotool.study.file.resolved import to_document
from hpotool.study.yaml.document import format_yaml, parse_yaml

ROOT = Path(__file__).parents[5]
EVERY_KEY = Path(__file__).parents[1] / "every_key.yaml"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "study-file.md").read_text(), re.DOTALL)
SMALL = "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n"


def is_accepted(text: str) -> bool:
    validator = jsonschema.Draft202012Validator(json_schema())
    return bool(validator.is_valid(parse_yaml(text, None).plain()))


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize(
    "path", [EVERY_KEY, *sorted((ROOT / "studies").glob("*.yaml"))], ids=lambda path: path.name
)
def test_the_schema_and_the_reader_accept_every_good_file(path: Path) -> None:
    assert is_accepted(path.read_text())
    stored = to_document(read_study_file(path.read_text(), path.name))
    assert is_accepted(format_yaml(stored))


@pytest.mark.parametrize(
    "line",
    [
        "budgte: {}",
        "budget: {trial: 3}",
        "budget: {trials: 0}",
        "budget: {wall: 3}",
        "budget: {target: high}",
        "retry: {lost: -1}",
        "sampler: tpee",
        "sampler: {name: tpe, n_startup: 3}",
        "sampler: {name: random, seed: -1}",
        "sampler: {n_startup: 3}",
        "pruner: {name: hyperband}",
        "pruner: {name: percentile, percentile: 101}",
        "search_space: {x: 3}",
        "search_space: {x: {float: [1]}}",
        "search_space: {x: {float: [1, 2], choice: [a]}}",
        "search_space: {x: {int: [1, 2.5]}}",
        "search_space: {x: {choice: []}}",
        "search_space: {x: {choice: [a], log: true}}",
        "search_space: {x: {group: {y: {float: [1]}}}}",
        "constraints: {mb: 50}",
        "keep: best",
        "strict: maybe",
        "on_oom: ignore",
        "warm_start: {x: 1}",
        "priority: 1.5",
        "priority: 1001",
        "weight: 0",
        "weight: heavy",
        "max_running: 0",
        "preempt: perhaps",
        "pool: 3",
        "owner: [ann]",
    ],
)
def test_the_schema_and_the_reader_refuse_the_same(line: str) -> None:
    assert not is_accepted(SMALL + line)
    with pytest.raises(StudyFileError):
        read_study_file(SMALL + line)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "pool: two words",
            "the pool's name 'two words' must be one word of letters, digits and . _ -, like gpus",
        ),
        ("owner: ann smith", "the owner 'ann smith' must be one word of letters, digits and . _ - @ +, like ann"),
        ("tags: {a b: c}", "the tag's name 'a b' must be one word of letters, digits and . _ -, like owner"),
    ],
)
def test_a_name_of_several_words_is_refused_with_an_example(line: str, said: str) -> None:
    with pytest.raises(StudyFileError) as refused:
        read_study_file(SMALL + line)
    assert said in refused.value.message


def test_places_in_a_pool_are_read_and_are_silent_while_nothing_is_said() -> None:
    text = "pool: gpus\npriority: -3\nweight: 0.5\nmax_running: 2\nowner: ann@lab.org\npreempt: true\n"
    spec = read_study_file(SMALL + text)
    assert (spec.pool, spec.priority, spec.weight, spec.max_running) == ("gpus", -3, 0.5, 2)
    assert (spec.owner, spec.preempt) == ("ann@lab.org", True)
    keys = {"pool", "priority", "weight", "max_running", "owner", "preempt"}
    assert keys <= to_document(spec).keys()
    assert not keys & to_document(read_study_file(SMALL)).keys()


def test_every_key_of_the_grammar_is_tried_in_the_file_that_has_them_all_or_in_the_docs() -> None:
    """A test reads the examples of the docs. The keys of ``retry`` are made from the outcomes."""
    texts = [EVERY_KEY.read_text(), *EXAMPLES]
    written = {key for text in texts for key in _keys(parse_yaml(text, None).plain())}
    assert set(_record_keys(STUDY)) - set(RETRY.keys) - written == set()


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_schema_accepts_every_example_of_the_docs(example: str) -> None:
    content: Any = parse_yaml(example, None).plain()
    head = [line for line in SMALL.splitlines() if line.partition(":")[0] not in content]
    assert is_accepted("\n".join([*head, example]))


def _keys(data: Any) -> list[str]:
    if isinstance(data, dict):
        return [*data, *(key for value in data.values() for key in _keys(value))]
    return [key for item in data for key in _keys(item)] if isinstance(data, list) else []


def _record_keys(record: Record) -> list[str]:
    inner = [key.kind for key in record.keys.values() if isinstance(key.kind, Record)]
    return [*record.keys, *(name for kind in inner for name in _record_keys(kind))]


def test_every_key_says_what_it_means() -> None:
    keys = [*STUDY.keys.values()]
    keys += [key for table in (SAMPLERS, PRUNERS) for row in table.values() for key in row.keys.values()]
    assert all(len(key.meaning) > 10 for key in keys)
