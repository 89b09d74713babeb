"""What a tired person types, refused before any database is asked: a sentence, a hint and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpotool.cli.app import main

STUDY = "study: s\nobjective: {python: m:f}\nmetrics: {loss: minimize}\n"
# what is typed, and what the error says
LINES = [
    # a word of another program, a plural, a typing mistake
    ("list", "did you mean 'studies'?"),
    ("ls", "did you mean 'studies'?"),
    ("rm old", "did you mean 'delete'?"),
    ("remove old", "did you mean 'delete'?"),
    ("run-worker s", "No such command 'run-worker'"),
    ("workerss s", "No such command 'workerss'. Did you mean 'workers', 'worker'?"),
    ("trail s", "No such command 'trail'"),
    ("start s", "did you mean 'worker'?"),
    ("kill s", "did you mean 'stop'?"),
    ("create s.yaml", "did you mean 'create-study'?"),
    ("db start", "there is no command 'start'; did you mean 'up'?"),
    ("db stop", "did you mean 'down'?"),
    ("db ups", "No such command 'ups'. Did you mean 'up'?"),
    ("launch k8s s", "did you mean 'kubernetes'?"),
    ("launch start s", "No such command 'start'"),
    ("quota add ann 5", "did you mean 'set'?"),
    ("launch kubernets s", "Did you mean 'kubernetes'?"),
    ("quota sets ann 100", "No such command 'sets'. Did you mean 'set'?"),
    # options: misspelt, without a value, with a value of another kind
    ("trials s --sorted loss", "No such option: --sorted"),
    ("trials s --limit 5", "No such option: --limit"),
    ("worker s --gpus 0", "No such option: --gpus"),
    ("best s --top 3", "No such option: --top"),
    ("best s -n", "requires an argument"),
    ("best s -n three", "must be a whole number"),
    ("best s -n 2.5", "must be a whole number"),
    ("best s -n -1", "must be 1 or more"),
    ("best s -n 0", "must be 1 or more"),
    ("trials s --top 0", "must be 1 or more"),
    ("trials s --last 0", "must be 1 or more"),
    ("trials s --state failed", "did you mean 'fail'?"),
    ("trials s --state COMPLETED", "is not one of"),
    ("watch s --interval 0", "must be 0.1 or more"),
    ("watch s --interval 5s", "must be a number"),
    ("confirm s --seeds 1", "must be 2 or more"),
    ("confirm s --confidence 95", "must be 0.999 or less"),
    ("confirm s --confidence 1", "must be 0.999 or less"),
    ("confirm s --most 9", "no --confidence was given"),
    ("compare a b --confidence 95", "must be 0.9999 or less"),
    ("reap s --grace 0", "must be 1 or more"),
    ("reap s --grace 30s", "must be a number"),
    ("dashboard --port 80800", "must be 65535 or less"),
    ("dashboard --port http", "must be a whole number"),
    ("workers s --scale -1", "must be 0 or more"),
    ("launch local s --workers 0", "must be 1 or more"),
    ("launch local s --gpus -1", "must be 0 or more"),
    ("drill --trials 1", "must be 4 or more"),
    ("quota set ann lots", "must be a number"),
    # units
    ("quarantine s --add gpu7 --for 2", "'2' is not a duration"),
    ("quarantine s --add gpu7 --for 2hours", "'2hours' is not a duration"),
    ("usage --since 1week", "'1week' is not a duration"),
    ("usage --since 30", "'30' is not a duration"),
    ("clean --older-than 7", "'7' is not a duration"),
    ("worker s --grace 30sec", "'30sec' is not a duration"),
    ("worker s --give-up-after never", "'never' is not a duration"),
    ("worker s --wait-for-database 0s", "must be longer than zero"),
    ("drill --patience soon", "'soon' is not a duration"),
    ("launch kubernetes s --image x --grace 50", "'50' is not a duration"),
    # what contradicts itself, or is said twice
    ("status a b", "unexpected extra argument"),
    ("status a --study b", "the study is named twice"),
    ("status -s a -s b", "the study is named twice"),
    ("retry s", "no trial is given"),
    ("retry s 1 --failed", "not both"),
    ("retry s one", "must be a whole number"),
    ("retry s --where outcome=crashed", "did you mean 'crash'?"),
    ("workers s --stop --scale 2", "--stop and --scale cannot go together"),
    ("workers s --worker w1", "--stop is missing"),
    ("quarantine s --add a --lift b", "--add and --lift cannot go together"),
    ("quarantine s --reason hot", "--add is missing"),
    ("db url --remote --local", "not both"),
    ("worker s --stay", "--stay is for workers of a pool"),
    ("worker s --pool gpus", "a worker serves one study, or with --pool all of a pool"),
    ("export params s --steps", "--steps goes with trials"),
    ("export trials s --trial 3", "--trial goes with params"),
    ("export params s --trial 3 -n 2", "-n asks for several"),
    ("export trials s -f parquet", "cannot be written to a terminal"),
    ("export params s -o p.parquet", "parquet is for trials"),
    ("export params s -o p.txt", "the known endings are"),
    ("plot s -o p.jpeg", "a plot is html, svg, png or pdf"),
    ("plot slices s", "'slices' is not one of"),
    ("report s -o r.pdf", "a report is html or md"),
    ("importance s --target failures --metric loss", "failures have none"),
    ("compare only", "an old study and a new one"),
    ("compare same same", "an old study and a new one"),
    ("run s --trial 3", "run needs both --trial and --final"),
    ("run s --final", "run needs both --trial and --final"),
    ("reproduce -s s", "reproduce needs the number of a trial"),
    ("reproduce --run none.json", "No such file or directory"),
    ("enqueue s --finished", "no --from-study is given"),
    ("enqueue s x=1 --from-study a", "either points or --from-study"),
    ("note s looks good", "the note has 2 parts"),
    ("note s good --remove", "--remove does not take a text"),
    ("init", "a file, --from-study or --example"),
    ("init train.py --example quadratic", "a file, --from-study or --example"),
    ("clone a b/c", "must be letters, digits"),
    ("rename a -b", "No such option"),
    ("import trials.csv", "needs a name"),
    ("import sqlite:///x.db --metric loss:minimize", "--metric is only for CSV files"),
    ("launch ssh s", "no host is named"),
    ("launch ssh s --host a --host a", "named twice"),
    ("launch ssh s --host 'a", "is no host name"),
    ("launch kubernetes s", "no image is named"),
    ("create-study s.yaml --trials 5", "either a study file or flags"),
    ("create-study s.yaml --set", "requires an argument"),
    ("create-study s.yaml --set trials=5", "did you mean 'budget.trials'?"),
    ("create-study s.yaml --set budget.trials=5x", "budget.trials"),
    ("create-study s.yaml --if-changed datas", "did you mean 'data'?"),
    ("create-study train.py", "is no study file, which is YAML"),
    ("check s.yaml --points many", "must be a whole number"),
    ("check s.yaml --set study=my/study", "my-study"),
]


@pytest.mark.parametrize(("line", "says"), LINES, ids=[line for line, _ in LINES])
def test_a_wrong_line_changes_nothing_and_is_answered(
    line: str,
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HPOTOOL_STORAGE", "postgresql://nobody@127.0.0.1:1/none")
    for name, text in (("s.yaml", STUDY), ("train.py", "print(1)\n"), ("trials.csv", "lr,loss\n1,2\n")):
        Path(name).write_text(text)
    there = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(SystemExit) as left:
        main(line.split())
    written = capsys.readouterr()
    errors = [one for one in written.err.splitlines() if one.startswith("error: ")]
    hints = [one for one in written.err.splitlines() if one.startswith("hint: ")]
    assert left.value.code == 2, written.err
    assert says in " ".join(errors), written.err
    assert len(hints) == 1, written.err
    assert written.out == ""
    assert "Traceback" not in written.err
    assert sorted(path.name for path in tmp_path.iterdir()) == there


@pytest.mark.parametrize("line", ["status --study=", "status -s", "best --where", "trials --columns"])
def test_an_option_without_its_value_is_no_traceback(
    line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPOTOOL_STORAGE", "postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(SystemExit) as left:
        main(line.split())
    assert left.value.code in (2, 3, 4)
    assert "Traceback" not in capsys.readouterr().err
