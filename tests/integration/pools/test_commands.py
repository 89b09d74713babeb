"""What the commands of pools say to wrong input: one sentence, a hint, and an exit code."""

from __future__ import annotations

import shlex

import pytest

from hpotool.cli.app import main
from tests.integration.pools.conftest import Pool

WRONG = [
    ("pools nope", 3, "there is no pool 'nope': no study names it"),
    ("share digits --weight heavy", 2, "--weight heavy: expected a number from 0.001 to 1000000, got 'heavy'"),
    ("share digits --max-running 0", 2, "--max-running 0: expected a whole number, 1 or more, got 0"),
    (
        "share digits --max-running 99999999999",
        2,
        "expected a whole number of at most 2147483647",
    ),
    ("budget digits --trials 99999999999", 2, "expected a whole number of at most 2147483647"),
    ("worker --pool '' --gpu none", 2, "the pool's name '' must be one word"),
    ("worker --pool 'a b' --stay --gpu none", 2, "the pool's name 'a b' must be one word"),
    ("quarantine digits --add ''", 2, "--add '' is no host and no GPU"),
    ("quarantine digits --add 'gpu7 gpu8'", 2, "--add 'gpu7 gpu8' is no host and no GPU"),
    ("share digits --pool a/b", 2, "the pool's name 'a/b' must be one word"),
    ("share nope --weight 2", 3, "study 'nope' does not exist"),
    ("quota set ann -- -1", 2, "-1 is no number of GPU-hours"),
    ("quota set ann nan", 2, "nan is no number of GPU-hours"),
    ("quota set 'ann smith' 3", 2, "the owner 'ann smith' must be one word"),
    ("quota set ann 3 --per year", 2, "'year' is not one of"),
    ("usage --since yesterday", 2, "--since"),
    ("usage --by colour", 2, "'colour' is not one of"),
    ("launch local --pool nope", 3, "no study is in pool 'nope'"),
    ("launch local --pool gpus --study elsewhere", 2, "study 'elsewhere' is not in pool 'gpus'"),
]


def test_wrong_input_gets_a_sentence_and_a_hint(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pool.add("digits", pool="gpus")
    monkeypatch.setenv("HPOTOOL_STORAGE", pool.connection.url.libpq)
    for words, code, said in WRONG:
        with pytest.raises(SystemExit) as left:
            main(shlex.split(words))
        shown = capsys.readouterr().err
        assert said in shown, (words, shown)
        assert "hint: " in shown, (words, shown)
        assert left.value.code == code, (words, shown)
