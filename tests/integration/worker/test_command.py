"""Commands as objectives: real processes in Python and in the shell."""

import json
import sys
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
from hpotool.worker.attempt import AttemptRunner
from hpotool.worker.checkpoint_store import CheckpointStore, Place
from hpotool.worker.process_tree import descendants

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
        store = CheckpointStore(Place(str(self.folder)), spec, self.folder)
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
        "the command ended well, but reported no value for 'accuracy'",
    )
    fresh = given.shell('echo "{\\"accuracy\\": 0.25}" > "$1"', file, result_file=file).run(ask())
    assert fresh.values == (0.25,)


@pytest.mark.parametrize(
    ("script", "outcome", "reason"),
    [
        ("exit 3", Outcome.ERROR, "the command ended with exit code 3"),
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
    assert (result.outcome, result.reason) == (Outcome.PRUNED, "pruned at step 2")
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


def test_a_preempted_command_may_write_its_checkpoint(given: Given) -> None:
    import threading

    runner = given.shell("trap 'echo saved; exit 75' TERM; echo ready; while true; do sleep 0.05; done")

    def stop_when_ready() -> None:
        log = given.folder / "logs" / "trial-00000-0.log"
        while not (log.exists() and "ready" in log.read_text()):
            threading.Event().wait(0.02)
        runner.stop(Outcome.PREEMPTED, "SIGTERM", timedelta(minutes=5))

    thread = threading.Thread(target=stop_when_ready)
    thread.start()
    result = runner.run(ask())
    thread.join()
    assert result.outcome is Outcome.PREEMPTED
    assert "saved" in result.output_tail


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("no-such-program", "{lr}"), "there is no program 'no-such-program' here"),
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
