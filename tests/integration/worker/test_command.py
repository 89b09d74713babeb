"""Commands as objectives: real processes in Python and in the shell."""

import json
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from hpotool.errors import InputError
from hpotool.study.branch import BRANCH_ATTRIBUTE, Branch
from hpotool.study.outcome import Outcome
from hpotool.study.spec import MetricSpec, ObjectiveSpec, ParameterSpec, StudySpec, TierSpec
from hpotool.worker.attempt.runner import AttemptResult, AttemptRunner
from hpotool.worker.checkpoints.location import CheckpointLocation
from hpotool.worker.checkpoints.store import CheckpointStore
from hpotool.worker.process.process_tree import descendants

SPACE = (
    ParameterSpec("lr", FloatDistribution(0.1, 0.2)),
    ParameterSpec("kind", CategoricalDistribution(["a b", "c"])),
    ParameterSpec("momentum", FloatDistribution(0, 1), {"kind": ("neither",)}),
)
ACCURACY = (MetricSpec("accuracy", "maximize"),)


class Given:
    """What a test needs to run a script as a command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runners: list[AttemptRunner] = []

    def runner(
        self,
        *command: str,
        metrics: tuple[MetricSpec, ...] = ACCURACY,
        tiers: tuple[TierSpec, ...] = (),
        **more: Any,
    ) -> AttemptRunner:
        objective = ObjectiveSpec(command=command, **more)
        spec = StudySpec("s", objective, metrics, SPACE, tiers=tiers)
        store = CheckpointStore(CheckpointLocation(str(self.folder)), spec, self.folder)
        runner = AttemptRunner(spec, self.folder / "logs", checkpoints=store)
        self.runners.append(runner)
        return runner

    def python(self, script: str, *arguments: str, **more: Any) -> AttemptRunner:
        path = self.folder / "script.py"
        path.write_text(dedent(script))
        return self.runner(sys.executable, str(path), *arguments, **more)

    def shell(self, script: str, *arguments: str, **more: Any) -> AttemptRunner:
        path = self.folder / "script.sh"
        path.write_text(dedent(script))
        return self.runner("sh", str(path), *arguments, **more)


@pytest.fixture
def given(tmp_path: Path) -> Iterator[Given]:
    given = Given(tmp_path)
    yield given
    for runner in given.runners:
        if runner._server is not None:
            assert descendants(runner._server.pid) == []
        runner.close()


def ask(pruner: optuna.pruners.BasePruner | None = None) -> optuna.Trial:
    study = optuna.create_study(direction="maximize", pruner=pruner or optuna.pruners.NopPruner())
    return study.ask()


def test_a_command_gets_its_parameters_in_every_way(given: Given, tmp_path: Path) -> None:
    runner = given.python(
        """
        import json, os, sys
        told = {name: value for name, value in os.environ.items() if name.startswith("HPOTOOL_")}
        told["arguments"] = sys.argv[1:]
        told["file"] = json.load(open(os.environ["HPOTOOL_PARAMS"]))
        open(sys.argv[1], "w").write(json.dumps(told))
        print('{"accuracy": 0.5}')
        """,
        str(tmp_path / "told"),
        "--lr={lr}",
        "{kind}",
        "--momentum",
        "{momentum}",
        "{{}}",
        "{trial}:{seed}:{checkpoint_dir}",
        environment={"GREETING": "hello {trial}"},
    )
    trial = ask()
    result = runner.run(trial, seed=11)
    assert result.values == (0.5,), result
    told = json.loads((tmp_path / "told").read_text())
    lr, kind = trial.params["lr"], trial.params["kind"]
    assert told["arguments"][1:] == [f"--lr={lr!r}", kind, "{}", f"0:11:{tmp_path}/s/trial-00000"]
    assert told["file"] == {"lr": lr, "kind": kind}
    assert told["HPOTOOL_PARAM_LR"] == repr(lr)
    assert told["HPOTOOL_SEED"] == "11"
    assert told["HPOTOOL_CHECKPOINT_DIR"] == f"{tmp_path}/s/trial-00000"
    assert "HPOTOOL_PARAM_MOMENTUM" not in told


def test_a_command_learns_up_to_which_step_it_goes_and_finds_its_sources_checkpoint(given: Given) -> None:
    script = """
        import hpotool, pathlib, sys
        folder = hpotool.checkpoint_dir()
        seen = sorted(path.name for path in folder.iterdir())
        (folder / "model").write_text("weights")
        assert int(sys.argv[1]) == hpotool.steps(99)
        hpotool.report(accuracy=hpotool.steps(99) + len(seen) / 10)
    """
    runner = given.python(script, "{steps}", tiers=(TierSpec(4, 3), TierSpec(2, 9)))
    study = optuna.create_study(direction="maximize")
    assert runner.run(study.ask()).values == (3.0,)

    attributes = {BRANCH_ATTRIBUTE: Branch(0, 0, 0, 9, 1).to_attribute()}
    study.add_trial(optuna.create_trial(state=TrialState.WAITING, system_attrs=attributes))
    assert runner.run(study.ask()).values == (9.1,)


def test_json_lines_are_reports_and_what_is_printed_is_kept(given: Given) -> None:
    runner = given.shell(
        """
        for step in 0 1 2; do echo "{\\"step\\": $step, \\"accuracy\\": 0.$step, \\"size\\": 7}"; done
        echo done >&2
        """
    )
    trial = ask()
    result = runner.run(trial)
    assert (result.outcome, result.values, result.extra) == (Outcome.COMPLETE, (0.2,), {"size": 7.0})
    assert trial._cached_frozen_trial.intermediate_values == {0: 0.0, 1: 0.1, 2: 0.2}
    assert result.output_tail.splitlines()[-1] == "done"


def test_a_regular_expression_picks_metrics_and_takes_the_best(given: Given) -> None:
    runner = given.shell(
        "printf 'acc 0.3\\racc 0.9\\nacc 0.5'", patterns={"accuracy": r"acc (\S+)"}, take={"accuracy": "max"}
    )
    trial = ask()
    assert runner.run(trial).values == (0.9,)
    assert trial._cached_frozen_trial.intermediate_values == {0: 0.3, 1: 0.9, 2: 0.5}


def test_a_result_file_is_this_attempts_own(given: Given, tmp_path: Path) -> None:
    file = str(tmp_path / "result-{trial}.json")
    (tmp_path / "result-0.json").write_text('{"accuracy": 0.1}')
    stale = given.shell("true", result_file=file).run(ask())
    assert (stale.outcome, stale.reason) == (
        Outcome.ERROR,
        "the command exited with 0, but reported no value for 'accuracy'",
    )
    fresh = given.shell('echo "{\\"accuracy\\": 0.25}" > "$1"', file, result_file=file).run(ask())
    assert fresh.values == (0.25,)


@pytest.mark.parametrize(
    ("script", "outcome", "reason"),
    [
        ("exit 3", Outcome.ERROR, "the command ended with exit code 3"),
        ("echo 'loss diverged' >&2; exit 3", Outcome.ERROR, "with exit code 3: loss diverged"),
        ("kill -SEGV $$", Outcome.CRASH, "the command was ended by SIGSEGV (segmentation fault)"),
        ("sh -c 'kill -KILL $$'; exit $?", Outcome.CRASH, "exit code 137: SIGKILL (killed)"),
        ("exit 65", Outcome.PRUNED, "these parameters are infeasible"),
        ("exit 75", Outcome.PREEMPTED, "the command asks to be started again"),
        ('echo \'{"accuracy": "nan"}\'', Outcome.NAN, "the objective returned nan: accuracy=nan"),
        ("echo nothing", Outcome.ERROR, "reported no value for 'accuracy'"),
        ("sleep 600", Outcome.TIMEOUT, "longer than the timeout of 1s"),
        ("setsid sleep 600 & trap '' TERM; while true; do sleep 1; done", Outcome.TIMEOUT, "timeout of 1s"),
    ],
)
def test_how_a_command_ends_becomes_an_outcome(given: Given, script: str, outcome: Outcome, reason: str) -> None:
    trial = ask()
    result = given.shell(script, timeout=timedelta(seconds=1)).run(trial)
    assert result.outcome is outcome
    assert result.reason is not None
    assert reason in result.reason
    assert trial.constraints == ({"infeasible": 1.0} if script == "exit 65" else {})


def test_a_pruned_command_is_asked_to_end(given: Given) -> None:
    script = """
        trap 'echo bye; exit 0' TERM
        step=0
        while true; do echo "{\\"step\\": $step, \\"accuracy\\": 0.5}"; step=$((step + 1)); sleep 0.05; done
    """
    result = given.shell(script).run(ask(optuna.pruners.ThresholdPruner(upper=0.1, n_warmup_steps=2)))
    assert (result.outcome, result.reason) == (
        Outcome.PRUNED,
        "at step 2: accuracy 0.5; the pruner admits at most 0.1",
    )
    assert "bye" in result.output_tail


def test_a_script_can_report_ask_and_checkpoint_with_the_helper(given: Given) -> None:
    script = """
        import hpotool
        parameters = hpotool.params(lr=1.0, absent=2)
        assert 0.1 <= parameters["lr"] <= 0.2 and parameters["absent"] == 2
        assert hpotool.checkpoint_dir().is_dir()
        print("seed", hpotool.seed())
        for step in range(100):
            hpotool.report(step=step, accuracy=step / 100)
            if hpotool.should_prune():
                break
        else:
            hpotool.report(accuracy=1.0)
    """
    runner = given.python(script)
    pruned = runner.run(ask(optuna.pruners.ThresholdPruner(upper=0.055)), seed=9)
    assert (pruned.outcome, pruned.output_tail) == (Outcome.PRUNED, "seed 9\n")
    trial = ask()
    assert runner.run(trial).values == (1.0,)
    assert len(trial._cached_frozen_trial.intermediate_values) == 100


def test_a_helpers_script_run_by_hand_does_nothing_special() -> None:
    import hpotool

    hpotool.report(step=1, accuracy=0.5)
    assert not hpotool.should_prune()
    assert not hpotool.should_stop()
    assert hpotool.checkpoint_dir() is None
    assert hpotool.params(lr=0.1) == {"lr": 0.1}
    with pytest.raises(SystemExit) as leaving:
        hpotool.infeasible("too wide")
    assert leaving.value.code == 65


def run_and_stop_when_ready(given: Given, runner: AttemptRunner) -> AttemptResult:
    ended = threading.Event()

    def stop_when_ready() -> None:
        log = given.folder / "logs" / "trial-00000-0.log"
        while not ended.wait(0.02):
            if log.exists() and "ready" in log.read_text():
                runner.stop(Outcome.PREEMPTED, "SIGTERM", timedelta(minutes=5))
                return

    thread = threading.Thread(target=stop_when_ready)
    thread.start()
    result = runner.run(ask())
    ended.set()
    thread.join()
    return result


def test_a_preempted_command_may_write_its_checkpoint(given: Given) -> None:
    runner = given.shell("trap 'echo saved; exit 75' TERM; echo ready; while true; do sleep 0.05; done")
    result = run_and_stop_when_ready(given, runner)
    assert result.outcome is Outcome.PREEMPTED
    assert "saved" in result.output_tail


@pytest.mark.parametrize(
    ("reports", "more", "outcome"),
    [
        ('{"step": 6, "accuracy": 0.06}', {}, Outcome.PREEMPTED),
        ("acc=0.06", {"patterns": {"accuracy": "acc=([0-9.]+)"}}, Outcome.PREEMPTED),
        ('{"accuracy": 0.9}\\n{"step": 6, "accuracy": 0.06}', {}, Outcome.PREEMPTED),
        ('{"step": 6, "accuracy": 0.06}\\n{"accuracy": 0.9}', {}, Outcome.COMPLETE),
        ('{"step": 6, "accuracy": 0.06}', {"result_file": "{params_file}.out"}, Outcome.PREEMPTED),
    ],
)
def test_a_command_that_ends_well_when_it_is_asked_to_stop_has_a_result_only_if_it_printed_one(
    given: Given, reports: str, more: dict[str, Any], outcome: Outcome
) -> None:
    script = f"""
        trap 'if [ -n "$1" ]; then echo "half a {{" > "$1"; fi; exit 0' TERM
        printf '{reports}\\n'
        echo ready
        while true; do sleep 0.05; done
    """
    files = [more["result_file"]] if "result_file" in more else []
    result = run_and_stop_when_ready(given, given.shell(script, *files, **more))
    assert result.outcome is outcome, result
    assert result.values == ((0.9,) if outcome is Outcome.COMPLETE else None)


HUGE = """
    import sys
    out = sys.stdout.buffer
    out.write(b'{"accuracy": 0.9}\\n\\xff\\x00 no text\\n')
    for _ in range(60):
        out.write(b"0.123456 " * 116508)                       # a mebibyte
    out.write(b"\\r 50%|##  | 1/2{\\"step\\": 1, \\"accuracy\\": 0.5}\\r\\n" + SYS)
"""


@pytest.mark.parametrize(
    ("end", "values", "reason"),
    [
        ('b""', (0.5,), None),
        # last_line_longer_than_64_kib
        ('b\'{"accuracy": 0.25, "all": [\' + b"0.1, " * 40000 + b"0.1]}"', (0.25,), None),
        (
            'b\'{"all": [\' + b"0.1, " * 4000000 + b\'0.1], "accuracy": 0.25}\'',
            None,
            "'accuracy': its line is too long",
        ),
        ('b\'{"accuracy": "n/a"}\'', None, "'accuracy': it is \"n/a\", not a number"),
        (
            'b\'{"end": {"accuracy": 0.25}}\'',
            (0.5,),
            "'accuracy' could not be read from a line: it is inside 'end'",
        ),
        ('b\'{"step": -1, "accuracy": 0.25}\'', None, "its step is -1, not a whole number from 0"),
        ("b'{\"accuracy\": nul'", None, "its line is not a complete JSON object"),
    ],
)
def test_every_line_that_names_a_metric_is_taken_or_told(
    given: Given, end: str, values: tuple[float, ...] | None, reason: str | None
) -> None:
    result = given.python(HUGE.replace("SYS", end), timeout=timedelta(minutes=2)).run(ask())
    assert result.values == values, result
    assert (result.reason or "") == "" if reason is None else reason in (result.reason or ""), result
    assert result.outcome is (Outcome.ERROR if values is None else Outcome.COMPLETE)
    assert ("hpotool: 'accuracy' could not be read from a line" in result.output_tail) == (reason is not None)


@pytest.mark.parametrize("leaves", ["yes &", "setsid yes &", "(trap '' TERM; yes) &"])
def test_what_a_command_leaves_printing_for_ever_does_not_keep_its_attempt(given: Given, leaves: str) -> None:
    script = f"""{leaves}
        echo '{{"accuracy": 0.5}}'
        exit 0"""
    result = given.shell(script, timeout=timedelta(minutes=2)).run(ask())
    assert (result.outcome, result.values) == (Outcome.COMPLETE, (0.5,))


def test_a_pattern_that_matched_nothing_is_the_reason(given: Given) -> None:
    result = given.shell("echo epoch 0; echo val_loss 3", patterns={"accuracy": "acc=(.*)"}).run(ask())
    assert result.reason is not None
    assert result.reason.endswith("its pattern 'acc=(.*)' matched none of 2 lines")


@pytest.mark.parametrize("length", [70, 84, 200])
def test_a_script_reports_whatever_the_length_of_the_temporary_folder(  # long_tmpdir
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    folder = tmp_path / "a-group"
    while len(str(folder)) < length:
        folder /= "n" * 20
    folder.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(folder))
    result = given.python("import hpotool; hpotool.report(accuracy=0.5)").run(ask())
    assert result.values == (0.5,), result
    assert list(folder.iterdir()) == []


def test_a_script_that_asks_and_never_reads_does_not_keep_its_attempt(given: Given) -> None:
    script = """
        import os, socket
        talk = socket.socket(socket.AF_UNIX)
        talk.connect(os.environ["HPOTOOL_ATTEMPT"])
        talk.sendall(b"[" * 100_000 + b"\\n")                    # nothing that JSON's reader can follow
        talk.settimeout(1)
        try:
            while True:
                talk.sendall(b'{"ask": "should_stop"}\\n' * 1000)
        except OSError:
            print('{"accuracy": 0.5}')
    """
    assert given.python(script, timeout=timedelta(minutes=2)).run(ask()).values == (0.5,)


@pytest.mark.parametrize("interpreter", ["python", "sh"])
def test_all_parameters_are_given_at_once_without_those_that_do_not_exist(
    given: Given, tmp_path: Path, interpreter: str
) -> None:
    to, forms = str(tmp_path / "told"), ("-v", "{args}", "--", "{overrides}", "{args_json}")
    runner = (
        given.python(
            """
            import sys
            open(sys.argv[1], "w").write("\\n".join(sys.argv[2:]) + "\\n")
            print('{"accuracy": 0.5}')
            """,
            *(to, *forms),
        )
        if interpreter == "python"
        else given.shell("""to=$1; shift; printf '%s\\n' "$@" > "$to"; echo '{"accuracy": 0.5}'""", to, *forms)
    )
    trial = ask()
    assert runner.run(trial).values == (0.5,)
    lr, kind = repr(trial.params["lr"]), trial.params["kind"]
    quoted = "'a b'" if kind == "a b" else kind
    *told, as_json = (tmp_path / "told").read_text().splitlines()
    assert told == ["-v", "--lr", lr, "--kind", kind, "--", f"lr={lr}", f"kind={quoted}"]
    assert json.loads(as_json) == trial.params


def test_a_variable_of_a_parameter_that_does_not_exist_is_not_set(given: Given) -> None:
    script = """
        import json, os
        print(json.dumps({"accuracy": float("MOMENTUM" in os.environ) + json.loads(os.environ["ALL"])["lr"] * 0}))
    """
    own = {"MOMENTUM": "{momentum}", "ALL": "{args_json}"}
    assert given.python(script, environment=own).run(ask()).values == (0.0,)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("no-such-program", "{lr}"), "there is no program 'no-such-program' here"),
        (("sh", "-e", "no-such-script.sh", "{lr}"), "there is no file 'no-such-script.sh' here"),
        ((sys.executable, "-u", "trainn.py"), "there is no file 'trainn.py' here"),
        (("sh", "${NOT_SET_ANYWHERE}"), "environment variable NOT_SET_ANYWHERE, which is not set here"),
        (("sh", "${HPOTOOL_STORAGE}"), "environment variable HPOTOOL_STORAGE, which is not set here"),
    ],
)
def test_a_command_that_cannot_run_says_so_at_the_start(
    given: Given, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.setenv("HPOTOOL_STORAGE", "postgresql://me:secret@host/db")
    with pytest.raises(InputError, match=sentence):
        given.runner(*command).start()


@pytest.mark.xdist_group("torch")
def test_a_distributed_training_reports_from_one_of_its_processes(given: Given, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "train.py").write_text(
        dedent("""
            import hpotool, torch, torch.distributed as dist
            dist.init_process_group("gloo")
            share = torch.tensor([hpotool.params()["lr"]])
            for step in range(3):
                dist.all_reduce(share)
                if dist.get_rank() == 0:
                    hpotool.report(step=step, accuracy=float(share))
            dist.destroy_process_group()
        """)
    )
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    trial = ask()
    result = given.runner(*torchrun, str(tmp_path / "train.py")).run(trial)
    assert result.values == pytest.approx((trial.params["lr"] * 8,), rel=1e-6), result
