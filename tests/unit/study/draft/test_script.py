"""Whatever a script says of its options, it is never run, and a draft comes of it that is YAML."""

import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hpotool.errors import InputError
from hpotool.study.draft.script import draft_script
from hpotool.study.draft.write import Draft, DraftParameter, format_draft
from hpotool.study.file.reader import read_study_file
from hpotool.study.yaml.document import parse_yaml

NAMES = st.text(string.ascii_letters + string.digits + "_-./é", min_size=1, max_size=8)
LITERALS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**58), 2**58),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(string.printable, max_size=6),
    st.lists(st.integers(-9, 9) | st.text(string.ascii_letters, max_size=3), max_size=3),
).map(repr) | st.sampled_from(
    ["1j", "b'x'", "{1, 2}", "...", "(1, 2)", "[1j]", "{'a': {2}}", "(b'x',)", "'\\ud800'"]
)
WORDS = st.dictionaries(
    st.sampled_from(["default", "type", "choices", "required", "action", "help", "is_flag"]),
    LITERALS | st.sampled_from(["float", "int", "str", "Path", "lambda x: x", "1e999", "-1e999", "[*range(9)]"]),
)
OPTIONS = st.lists(st.tuples(NAMES, WORDS), max_size=4)
SUGGESTIONS = st.lists(
    st.tuples(
        st.sampled_from(["float", "int", "categorical"]), LITERALS, st.lists(LITERALS | st.just("LOW"), max_size=3)
    ),
    max_size=4,
)


def option(name: str, words: dict[str, str]) -> str:
    return f"p.add_argument('--{name}', {', '.join(f'{key}={value}' for key, value in words.items())})"


def text_of(script: str) -> str:
    draft = draft_script(script, "train.py", "train")
    text = format_draft(draft, "train.py")
    parse_yaml(text, None)
    return text


@given(OPTIONS)
@example([("lr", {"default": "1e308"})])
@example([("lr", {"default": "1e999", "type": "float"})])
@example([("n", {"default": "1e999", "type": "int"})])
def test_any_options_become_yaml(options: list[tuple[str, dict[str, str]]]) -> None:
    script = "\n".join(option(name, words) for name, words in options)
    try:
        text_of(script)
    except InputError as error:
        assert "no argparse options" in error.message or "no Python" in error.message  # noqa: PT017


@given(SUGGESTIONS)
def test_any_suggestions_become_yaml(suggestions: list[tuple[str, str, list[str]]]) -> None:
    calls = [f"    trial.suggest_{kind}({', '.join([name, *rest])})" for kind, name, rest in suggestions]
    script = "\n".join(["def objective(trial):", *calls, "    return 1"])
    try:
        text_of(script)
    except InputError as error:
        assert "no argparse options" in error.message  # noqa: PT017


def parameter(line: str) -> DraftParameter:
    [found] = draft_script(line, "train.py", "train").parameters
    return found


@pytest.mark.parametrize(
    ("words", "content"),
    [
        ("'--lr', type=float, default=1e-3", {"float": [0.0001, 0.01], "log": True}),
        ("'--shift', type=float, default=-2.0", {"float": [-20.0, -0.2]}),
        ("'--x', type=float", {"float": [0.0, 1.0]}),
        ("'--dropout', type=float, default=0.1", {"float": [0.0, 0.99]}),
        ("'--gamma', type=float, default=5.0", {"float": [0.5, 50.0], "log": True}),
        ("'--layers', type=int, default=3", {"int": [1, 12]}),
        ("'--width', type=int, default=64", {"int": [16, 256], "log": True}),
        ("'--n', type=int", {"int": [0, 10]}),
        ("'-o', '--opt', choices=['a', 'no'], default='a'", {"choice": ["a", "no"]}),
        ("'--amp', action='store_true'", None),
        ("'--text', default='x'", None),
        ("'--depth', default=3", {"int": [1, 12]}),
    ],
)
def test_a_range_is_guessed_around_the_default(words: str, content: object) -> None:
    assert parameter(f"p.add_argument({words})").content == content


@pytest.mark.parametrize("name", ["epochs", "data-dir", "num_workers", "seed", "log_every", "gpus"])
def test_what_nobody_searches_is_left_as_a_comment(name: str) -> None:
    assert parameter(f"p.add_argument('--{name}', type=int, default=3)").is_out


def test_clicks_switches_and_options_are_read_too() -> None:
    draft = draft_script(
        "@click.option('--lr', default=0.1)\n@click.option('--amp/--no-amp')\ndef f(): ...", "t.py", "t"
    )
    assert [each.name for each in draft.parameters] == ["lr", "amp"]


@pytest.mark.parametrize(
    ("printed", "metric", "direction"),
    [
        ("f'val_loss {x:.3f}'", "val_loss", "minimize"),
        ("f'train_loss={x} val_acc={y}'", "val_acc", "maximize"),
        ("f'train_loss={x} accuracy: {y}'", "train_loss", "minimize"),
        ("'val_loss', x", "val_loss", "minimize"),
        ("'epoch', 3, 'val_acc:', score(x)", "val_acc", "maximize"),
        ("'nothing'", "loss", "minimize"),
    ],
)
def test_the_metric_is_what_the_script_prints_of_other_data(printed: str, metric: str, direction: str) -> None:
    draft = draft_script(f"p.add_argument('--lr', default=0.1)\nprint({printed})", "train.py", "train")
    assert draft.metrics == {metric: direction}
    assert ("patterns" in draft.objective) is (printed != "'nothing'")


def test_a_printed_metric_is_found_by_its_pattern() -> None:
    draft = draft_script("p.add_argument('--lr', default=0.1)\nprint('epoch', 1, 'val_acc', x)", "t.py", "t")
    assert re.search(draft.objective["patterns"]["val_acc"], "epoch 1 val_acc 0.9625")[1] == "0.9625"  # type: ignore[index]


def test_a_metric_is_not_named_like_an_option() -> None:
    draft = draft_script("p.add_argument('--loss', choices=['l1', 'l2'])\nprint(x)", "t.py", "t")
    assert draft.metrics == {"val_loss": "minimize"}


def test_directions_without_a_name_each_get_one() -> None:
    script = (
        "def objective(trial):\n    return trial.suggest_float('x', 0, 1), f(2)\n"
        "optuna.create_study(directions=['minimize', 'maximize'])"
    )
    draft = draft_script(script, "a/b.py", "a.b")
    assert draft.metrics == {"value_0": "minimize", "value_1": "maximize"}
    assert (draft.name, draft.objective) == ("b", {"python": "a.b:objective"})


def test_a_draft_with_odd_numbers_is_still_yaml() -> None:
    content = {"float": [float("-inf"), float("nan"), float("inf")]}
    draft = Draft("s", {"python": "m:f"}, {"loss": "minimize"}, [DraftParameter("x", content)])
    assert "{float: [-.inf, .nan, .inf]}" in format_draft(draft, "it")


def test_a_draft_of_nothing_but_an_objective_is_a_study() -> None:
    draft = Draft("s", {"python": "m:f"}, {"loss": "minimize"}, sampler="tpe", pruner={"name": "median"})
    spec = read_study_file(format_draft(draft, "it"))
    assert (spec.sampler.name, spec.pruner.name, spec.budget.trials) == ("tpe", "median", 100)


@pytest.mark.parametrize(
    ("returns", "metrics"),
    [("", ["value"]), ("return", ["value"]), ("return loss", ["loss"]), ("return 0.5", ["value"])],
)
def test_a_metric_is_called_what_the_objective_returns(returns: str, metrics: list[str]) -> None:
    script = (
        "import optuna\ndef objective(trial):\n    loss = trial.suggest_float('lr', 0.1, 1)\n"
        f"    {returns}\noptuna.create_study(direction='minimize').optimize(objective)\n"
    )
    document = parse_yaml(text_of(script), None).plain()
    assert list(document["metrics"]) == metrics
