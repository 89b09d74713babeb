"""An objective is found by its name, or one sentence says why not."""

import sys
from pathlib import Path

import pytest

from hpotool.errors import InputError
from hpotool.user_code import search_working_folder
from hpotool.worker.child.import_objective import load_objective


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


def test_the_working_folder_is_searched_before_anything_else(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("def objective(trial): return 'ours'\n")
    del sys.modules["json"]
    assert load_objective("json:objective")(None) == "ours"


def test_it_is_put_first_once(tmp_path: Path) -> None:
    assert search_working_folder() == str(tmp_path)
    before = list(sys.path)
    search_working_folder()
    assert sys.path == before
    assert sys.path[0] == str(tmp_path)


def test_a_function_may_be_inside_a_class(tmp_path: Path) -> None:
    (tmp_path / "dotted.py").write_text("class Model:\n    @staticmethod\n    def objective(trial): return 3\n")
    assert load_objective("dotted:Model.objective")(None) == 3


@pytest.mark.parametrize(
    ("code", "reference", "message"),
    [
        ("", "broken", "the objective 'broken' is not of the form module:function"),
        ("", ":f", "the objective ':f' is not of the form module:function"),
        ("", "gone:f", "the objective 'gone:f' cannot be imported: ModuleNotFoundError: No module named 'gone'"),
        ("1/0", "broken:f", "the objective 'broken:f' cannot be imported: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "broken:f", "the objective 'broken:f' cannot be imported: SystemExit: 3"),
        ("raise ValueError('a\\n b')", "broken:f", "the objective 'broken:f' cannot be imported: ValueError: a b"),
        ("class Own(BaseException): ...\nraise Own", "broken:f",
         "the objective 'broken:f' cannot be imported: Own"),
        ("class Odd(Exception):\n def __str__(self): 1/0\nraise Odd", "broken:f",
         "the objective 'broken:f' cannot be imported: Odd: it cannot be shown"),
        ("def __getattr__(name):\n if name == 'f': raise KeyError(name)\n raise AttributeError", "broken:f",
         "the objective 'broken:f' cannot be found: KeyError: 'f'"),
        ("x = 3", "broken:f", "the objective 'broken:f' cannot be found: broken has no 'f'"),
        ("x = 3", "broken:x.y", "the objective 'broken:x.y' cannot be found: broken has no 'x.y'"),
        ("x = 3", "broken:x", "the objective 'broken:x' is a int, not a function"),
    ],
)  # fmt: skip
def test_what_is_no_objective_is_said_in_a_sentence(
    tmp_path: Path, code: str, reference: str, message: str
) -> None:
    (tmp_path / "broken.py").write_text(code)
    with pytest.raises(InputError) as raised:
        load_objective(reference)
    assert raised.value.message == message
