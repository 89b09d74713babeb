"""A study as a folder for TensorBoard: one folder below it for each trial, with curves and the HParams table.

What a trial's file holds follows from the trial alone, byte by byte, and only grows while it runs. So a file that
was cut short by a kill is completed, one that is there already stays, and a TensorBoard that watches it misses
nothing.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from hpotool.errors import InputError
from hpotool.settings import study_folder_name
from hpotool.tracking.targets.target import TargetAwayError
from hpotool.tracking.tracked_run import Point, TrackedRun

_DONE = {"FINISHED": "STATUS_SUCCESS", "KILLED": "STATUS_SUCCESS", "FAILED": "STATUS_FAILURE"}


class TensorboardTarget:
    """The folder of one study. Where several machines may export, it is one that they share."""

    def __init__(self, folder: str) -> None:
        try:
            import tensorboardX  # noqa: F401
        except ImportError:
            raise InputError("tensorboardX is not installed here", "pip install 'hpotool[tensorboard]'") from None
        self._root = Path(folder).expanduser()
        if self._root.exists() and not self._root.is_dir():  # would be tried again for ever
            raise InputError(f"{folder} is a file, and TensorBoard reads folders", "--address runs")
        self._folder = self._root

    def open(self, study: TrackedRun, job_id: str) -> None:
        """Make the study's folder; its name goes with the study's, and ``job_id`` keeps two of one name apart."""
        with self._errors():
            self._root.mkdir(parents=True, exist_ok=True)
            own = [path.parent for path in self._root.glob("*/.hpotool") if path.read_text() == job_id]
            self._folder = own[0] if own else self._make_folder(study.name, job_id)

    def send(self, run: TrackedRun) -> None:
        """Write the trial's file, or what it lacks."""
        with self._errors():
            folder = self._folder / f"trial-{run.number:05d}"
            folder.mkdir(exist_ok=True)
            # TensorBoard takes any file with this word in its name, and reads them in the order of their names.
            _write(folder / f"events.out.tfevents.{int(run.started.timestamp()):010d}.hpotool", _encode(run))

    def send_study(self, study: TrackedRun, points: tuple[Point, ...]) -> None:
        """Write nothing: TensorBoard shows runs, and a study is all of them together."""

    def forget(self) -> None:
        """Forget nothing: each file is looked at whenever its trial is sent."""

    def close(self) -> None:
        """Hold nothing: each file is closed once it is written."""

    def _make_folder(self, name: str, job_id: str) -> Path:
        folder = self._root / study_folder_name(name)
        if folder.exists():
            folder = folder.with_name(f"{folder.name}-{job_id[:8]}")
        folder.mkdir(exist_ok=True)
        (folder / ".hpotool").write_text(job_id)
        return folder

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TargetAwayError(f"the folder {self._root} cannot be written: {error}") from error


def _write(path: Path, content: bytes) -> None:
    try:
        there = path.read_bytes()
    except FileNotFoundError:
        there = b""
    if content == there:
        return
    if content.startswith(there):
        with path.open("ab") as file:
            file.write(content[len(there) :])
        return
    beside = path.with_name(".new")
    beside.write_bytes(content)
    beside.replace(path)


def _encode(run: TrackedRun) -> bytes:
    return b"".join(_record(event) for event in _events(run))


def _events(run: TrackedRun) -> Iterator[Any]:
    """The trial's events; those that only a finished trial has come last."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.summary import scalar

    yield Event(wall_time=_seconds(run.started), file_version="brain.Event:2")
    for point in run.points:
        yield Event(wall_time=_seconds(point.at), step=point.step, summary=scalar(point.name, point.value))
    if run.status != "RUNNING":
        ended = _seconds(run.ended or run.started)
        for summary in _hyperparameters(run):
            yield Event(wall_time=ended, summary=summary)
        yield Event(wall_time=ended, summary=_text("trial", run.tags))
        if run.note:
            yield Event(wall_time=ended, summary=_note(run.note))


def _hyperparameters(run: TrackedRun) -> Iterator[Any]:
    """The summaries that make the trial a row of the HParams table; numbers are numbers there."""
    from tensorboardX.proto import api_pb2 as api
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

    start = SessionStartInfo(start_time_secs=_seconds(run.started))
    infos = []
    for name, text in run.params.items():
        number = _number(text)
        if number is None:
            start.hparams[name].string_value = text
        else:
            start.hparams[name].number_value = number
        kind = "DATA_TYPE_STRING" if number is None else "DATA_TYPE_FLOAT64"
        infos.append(api.HParamInfo(name=name, type=api.DataType.Value(kind)))
    names = dict.fromkeys(point.name for point in run.points if not point.name.startswith("steps/"))
    metrics = [api.MetricInfo(name=api.MetricName(tag=name)) for name in names]
    end = SessionEndInfo(
        status=api.Status.Value(_DONE[run.status]), end_time_secs=_seconds(run.ended or run.started)
    )
    whole = api.Experiment(hparam_infos=infos, metric_infos=metrics)
    yield _plugin("_hparams_/experiment", HParamsPluginData(version=0, experiment=whole))
    yield _plugin("_hparams_/session_start_info", HParamsPluginData(version=0, session_start_info=start))
    yield _plugin("_hparams_/session_end_info", HParamsPluginData(version=0, session_end_info=end))


def _plugin(tag: str, data: Any) -> Any:
    from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata

    content = data.SerializeToString(deterministic=True)
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="hparams", content=content))
    return Summary(value=[Summary.Value(tag=tag, metadata=metadata)])


def _text(tag: str, tags: Mapping[str, str]) -> Any:
    from tensorboardX.summary import text

    lines = [
        f"| {key} | {value.replace('|', chr(92) + '|').replace(os.linesep, ' ')} |" for key, value in tags.items()
    ]
    return text(tag, "\n".join(["| | |", "|---|---|", *lines]))


def _note(note: str) -> Any:
    from tensorboardX.summary import text

    return text("note", note)


def _record(event: Any) -> bytes:
    """An event as a TFRecord: length, data, and a masked CRC of each."""
    data: bytes = event.SerializeToString(deterministic=True)
    length = struct.pack("<Q", len(data))
    return length + _masked_crc(length) + data + _masked_crc(data)


def _masked_crc(data: bytes) -> bytes:
    from tensorboardX.crc32c import crc32c

    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
