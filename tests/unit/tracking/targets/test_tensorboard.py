"""Files are read back by TensorBoard's own reader."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpotool.errors import InputError
from hpotool.tracking.targets.target import TargetAwayError
from hpotool.tracking.targets.tensorboard import TensorboardTarget
from hpotool.tracking.tracked_run import describe_study, describe_trial
from tests.tracked import exported_study, exported_trial

STUDY = exported_study()


def open_target(folder: Path, job_id: str = "job-1") -> TensorboardTarget:
    target = TensorboardTarget(str(folder))
    target.open(describe_study(STUDY, None), job_id)
    return target


def files(folder: Path) -> Mapping[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*tfevents*"))}


def read_back(folder: Path) -> Any:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    accumulator = accumulators.EventAccumulator(str(folder), size_guidance={"scalars": 0})
    accumulator.Reload()
    return accumulator


def test_tensorboard_reads_curves_results_and_parameters(tmp_path: Path) -> None:
    from tensorboard.plugins.hparams import plugin_data_pb2

    trial = exported_trial(7, values={"loss": math.inf}, params={"lr": 0.5, "kind": "b", "flag": None})
    open_target(tmp_path).send(describe_trial(STUDY, trial))
    read = read_back(tmp_path / "digits" / "trial-00007")
    assert [(each.step, each.value) for each in read.Scalars("steps/loss")] == [(0, 3.0), (1, 2.0), (2, 0.25)]
    assert read.Scalars("loss")[0].value == math.inf
    data = {
        tag: plugin_data_pb2.HParamsPluginData.FromString(content)
        for tag, content in read.PluginTagToContent("hparams").items()
    }
    start = data["_hparams_/session_start_info"].session_start_info
    assert start.hparams["lr"].number_value == 0.5
    assert start.hparams["kind"].string_value == "b"
    assert "loss" in [info.name.tag for info in data["_hparams_/experiment"].experiment.metric_infos]
    assert b"hpotool.outcome" in read.Tensors("trial/text_summary")[0].tensor_proto.string_val[0]


def test_sent_again_not_a_byte_differs(tmp_path: Path) -> None:
    for _ in range(2):
        target = open_target(tmp_path)
        for number in range(3):
            target.send(describe_trial(STUDY, exported_trial(number)))
        found = files(tmp_path)
        assert len(found) == 3
    assert found == files(tmp_path)


def test_a_running_trials_file_only_grows(tmp_path: Path) -> None:
    whole, before = exported_trial(0), b""
    target = open_target(tmp_path)
    for count in (0, 1, 3):
        steps = {"loss": dict(list(whole.steps["loss"].items())[:count])}
        target.send(describe_trial(STUDY, replace(whole, state="RUNNING", ended=None, values={}, steps=steps)))
        [now] = files(tmp_path).values()
        assert now.startswith(before)
        assert len(now) > len(before)
        before = now
    target.send(describe_trial(STUDY, whole))
    [now] = files(tmp_path).values()
    assert now.startswith(before)


@pytest.mark.parametrize("left", [0, 1, 11, 100])
def test_a_file_that_a_kill_cut_short_is_completed(tmp_path: Path, left: int) -> None:
    run = describe_trial(STUDY, exported_trial(0))
    open_target(tmp_path).send(run)
    [(name, whole)] = files(tmp_path).items()
    (tmp_path / name).write_bytes(whole[:left])
    open_target(tmp_path).send(run)
    assert files(tmp_path) == {name: whole}


def test_a_report_that_was_made_again_replaces_the_file(tmp_path: Path) -> None:
    target = open_target(tmp_path)
    target.send(describe_trial(STUDY, exported_trial(0, steps={"loss": {0: 1.0}})))
    target.send(describe_trial(STUDY, exported_trial(0, steps={"loss": {0: 2.0}})))
    assert [each.value for each in read_back(tmp_path / "digits" / "trial-00000").Scalars("steps/loss")] == [2.0]


def test_two_studies_of_one_name_have_a_folder_each(tmp_path: Path) -> None:
    for job_id in ("aaaaaaaa-1", "bbbbbbbb-2", "aaaaaaaa-1"):
        open_target(tmp_path, job_id).send(describe_trial(STUDY, exported_trial(0)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["digits", "digits-bbbbbbbb"]


def test_a_folder_that_cannot_be_written_is_away(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TargetAwayError, match="cannot be written"):
        open_target(tmp_path / "file" / "runs")


def test_a_file_in_place_of_the_folder_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file, and TensorBoard reads folders"):
        open_target(tmp_path / "file")
