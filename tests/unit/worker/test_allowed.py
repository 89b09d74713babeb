import pytest

from hpotool.errors import InputError
from hpotool.study.file.reader import read_study_file
from hpotool.study.spec import StudySpec
from hpotool.worker.allowed import Allowed

PLAIN = """
study: trained
objective: {python: "package.train:objective"}
metrics: {loss: minimize}
"""


def spec(*more: str) -> StudySpec:
    return read_study_file(PLAIN, "study.yaml", more)


def test_without_a_list_everything_is_allowed() -> None:
    Allowed.read([], {}).check(spec("sampler=elsewhere:Sampler"))
    Allowed.read([], {"HPOTOOL_ALLOW": " ; "}).check(spec())


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        (["package.train:objective"], ""),
        ([], "package.train:objective"),
        (["other:objective"], " other:more ; package.train:objective "),
    ],
)
def test_what_is_named_by_either_runs(options: list[str], environment: str) -> None:
    Allowed.read(options, {"HPOTOOL_ALLOW": environment}).check(spec())


REFUSED = [
    ((), "other:objective", "package.train:objective"),
    ((), "package.train:objective2", "package.train:objective"),
    (("objective.python=os:system",), "package.train:objective", "os:system"),
    (("objective.environment.PYTHONPATH=/tmp/x",), "package.train:objective", "env:PYTHONPATH"),
    (("sampler=elsewhere:Sampler",), "package.train:objective", "elsewhere:Sampler"),
    (("sampler=cmaes",), "package.train:objective", "cmaes"),
    (("pruner=elsewhere:Pruner",), "package.train:objective", "elsewhere:Pruner"),
    (
        ('pruner={name: patient, patience: 2, wrapped: {name: "elsewhere:Pruner"}}',),
        "package.train:objective",
        "elsewhere:Pruner",
    ),
]


@pytest.mark.parametrize(("changes", "allowed", "named"), REFUSED)
def test_anything_else_is_refused_and_named(changes: tuple[str, ...], allowed: str, named: str) -> None:
    study = spec(*changes)
    with pytest.raises(InputError) as refused:
        Allowed.read([allowed], {}).check(study)
    assert repr(named) in refused.value.message
    assert refused.value.hint is not None
    assert named in refused.value.hint
    Allowed.read([allowed, named], {}).check(study)


def test_a_command_is_allowed_as_a_whole() -> None:
    command = """
study: trained
objective: {command: [./train, --lr, "{lr}"]}
metrics: {loss: minimize}
search_space: {lr: {float: [0, 1]}}
"""
    study = read_study_file(command, "study.yaml", [])
    Allowed.read(["./train --lr '{lr}'"], {}).check(study)
    for less in ("./train", "./train --lr", "train --lr '{lr}'"):
        with pytest.raises(InputError):
            Allowed.read([less], {}).check(study)
