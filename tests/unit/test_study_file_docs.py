"""Every example in docs/study-file.md is what the reader accepts, and every key of the grammar stands there."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from hpotool.errors import StudyFileError
from hpotool.study.file.flags import StudyFlags, read_study_flags
from hpotool.study.file.grammar.algorithms import PRUNERS, SAMPLERS
from hpotool.study.file.grammar.kinds import Record
from hpotool.study.file.grammar.study import STUDY
from hpotool.study.file.reader import read_study_file
from hpotool.study.yaml.document import parse_yaml

DOCS = (Path(__file__).parents[2] / "docs" / "study-file.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
NEEDED = {"study": "s", "objective": "{python: m:f}", "metrics": "{loss: minimize}"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example).splitlines()[0])
def test_every_example_is_a_study_with_what_it_leaves_out(example: str) -> None:
    content: Any = parse_yaml(example, None).plain()
    rest = "".join(f"{key}: {value}\n" for key, value in NEEDED.items() if key not in content)
    read_study_file(rest + example, "docs/study-file.md")


def test_the_example_of_problems_is_what_is_said() -> None:
    [shown] = re.findall(r"```text\n(study\.yaml:.*?)```", DOCS, re.DOTALL)
    text = "study: a b\nobjective:\n  python: m:f\n\nmetrics: {loss: minimise}\n"
    with pytest.raises(StudyFileError) as raised:
        read_study_file(text, "study.yaml")
    assert str(raised.value) == shown.strip()


def test_the_example_of_flags_is_a_study() -> None:
    [command] = re.findall(r"hpotool create-study --study .*?(?=```)", DOCS, re.DOTALL)
    words = shlex.split(command.replace("\\\n", " "))[2:]
    given: dict[str, Any] = {"metrics": [], "parameters": []}
    names = {"metric": "metrics", "param": "parameters"}
    for flag, value in zip(words[::2], words[1::2], strict=True):
        name = names.get(flag.removeprefix("--"), flag.removeprefix("--"))
        if name in names.values():
            given[name].append(value)
        else:
            given[name] = value
    spec = read_study_flags(StudyFlags(**given))
    assert [parameter.name for parameter in spec.search_space] == ["lr", "depth", "booster", "drop"]


def test_every_key_and_name_of_the_grammar_is_documented() -> None:
    known = [*_keys(STUDY), *SAMPLERS, *PRUNERS]
    known += [key for table in (SAMPLERS, PRUNERS) for row in table.values() for key in row.keys]
    assert [key for key in dict.fromkeys(known) if not re.search(rf"\b{re.escape(key)}\b", DOCS)] == []


def _keys(record: Record) -> list[str]:
    inner = [key.kind for key in record.keys.values() if isinstance(key.kind, Record)]
    return [*record.keys, *(name for kind in inner for name in _keys(kind))]
