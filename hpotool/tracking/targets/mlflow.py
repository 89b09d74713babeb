"""A study in MLflow: one run for the study, one below it for each trial.

A run is found by its tags, and only made where there is none: `create_run` is the one call that must not be
repeated. After an error nobody knows whether it was heard, so what was remembered is forgotten, and the server is
asked again.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Any, TypeVar

from hpotool.errors import HpotoolError, InputError
from hpotool.tracking.targets.mlflow_files import MlflowFiles
from hpotool.tracking.targets.target import RefusedByTargetError, TargetAwayError
from hpotool.tracking.tracked_run import Point, TrackedRun

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

_BLOCK = 500  # trials that are looked for together: one question for so many, however large the study is
_MOST_METRICS, _MOST_TEXTS = 800, 60  # of one call; MLflow takes 1000 entities and 1 MB
_REFUSED = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_ALREADY_EXISTS", "INVALID_STATE")
_SETTINGS = {
    # The client would send create_run again by itself, and a server that had heard the first one would make two.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    # Two lines on stdout for each run, and reports to somebody else.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
_logger = logging.getLogger(__name__)
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class _Sent:
    """What a trial that runs was sent with."""

    points: frozenset[Point]
    params: Mapping[str, str]


class MlflowTarget:
    """The runs of one study in one experiment of one MLflow server."""

    def __init__(
        self, address: str, experiment: str | None, most_bytes: int = 0, model: str | None = None
    ) -> None:
        self._address = address
        self._experiment = experiment
        self._client = _make_client(address)
        self._files = MlflowFiles(self._client, most_bytes, model)
        self._job_id = ""
        self._experiment_id = ""
        self._study_run: str | None = None
        self._sent_study: tuple[str, Mapping[str, str]] | None = None
        self._runs: dict[int, str] = {}  # of the blocks that are known
        self._blocks: set[int] = set()
        self._reading = threading.Lock()  # a few trials are sent at once
        self._sent: dict[int, _Sent] = {}  # of trials that run

    def open(self, study: TrackedRun, job_id: str) -> None:
        """Find or make the experiment and the study's run."""
        self._job_id = job_id
        try:
            self._open(study)
        except RefusedByTargetError as error:
            hint = "open the experiment in MLflow, or name another one with --experiment NAME"
            raise InputError(error.message, hint) from error

    def _open(self, study: TrackedRun) -> None:
        with self._errors():
            self._experiment_id = self._find_place(study.name)
            found = list(self._search("tags.`hpotool.kind` = 'study'"))
            self._study_run = self._only(found) or self._create(study, {"hpotool.kind": "study"})

    def send(self, run: TrackedRun) -> None:
        """Make the trial's run where there is none, and put in what it has not got."""
        assert run.number is not None
        try:
            self._send(run, run.number)
        except RefusedByTargetError as error:
            if not self._has_experiment():  # no trial is to blame; `open` says so, and what to do
                raise TargetAwayError(error.message) from error
            # Somebody may have deleted the run there: the next try looks for it, and makes it anew.
            self._blocks.discard(run.number // _BLOCK)
            self._runs.pop(run.number, None)
            self._sent.pop(run.number, None)
            raise

    def _send(self, run: TrackedRun, number: int) -> None:
        with self._errors():
            run_id = self._find_or_create(run, number)
            known = self._sent.get(number)
            points = [point for point in run.points if known is None or point not in known.points]
            if run.status == "RUNNING":
                if known is None or points or run.params != known.params:
                    self._log(run_id, points, run.params, {} if known else _tags_of(run))
                    self._sent[number] = _Sent(frozenset(run.points), run.params)
                return
            self._log(run_id, points, run.params, _tags_of(run))
            self._files.send(run_id, run)
            self._client.set_terminated(run_id, run.status, _milliseconds(run.ended or run.started))
            self._sent.pop(number, None)

    def send_study(self, study: TrackedRun, points: tuple[Point, ...]) -> None:
        """Put in what is new of the study; its run goes on when the study does."""
        now = (study.status, _tags_of(study))
        if not points and now == self._sent_study:
            return
        try:
            self._send_study(study, points)
        except RefusedByTargetError as error:  # as of a run that somebody deleted: `open` makes it anew
            raise TargetAwayError(error.message) from error
        self._sent_study = now

    def _send_study(self, study: TrackedRun, points: tuple[Point, ...]) -> None:
        assert self._study_run is not None
        with self._errors():
            self._log(self._study_run, points, {}, _tags_of(study))
            if self._sent_study is None or self._sent_study[0] != study.status:
                self._set_status(self._study_run, study)

    def forget(self) -> None:
        """Ask the server again which runs there are."""
        self._runs.clear()
        self._blocks.clear()
        self._sent.clear()
        self._sent_study = None

    def close(self) -> None:
        """Hold nothing: a run stays as it is until somebody sends more of it."""

    def _set_status(self, run_id: str, study: TrackedRun) -> None:
        if study.status == "RUNNING":
            self._client.update_run(run_id, status="RUNNING")
        else:
            self._client.set_terminated(run_id, study.status, _milliseconds(study.ended or study.started))

    def _find_place(self, study_name: str) -> str:
        """The experiment that is named; else the one that the study began in, or one of the study's name."""
        if self._experiment is not None:
            return self._find_experiment(self._experiment)
        mark = f"hpotool.job.{self._job_id}"
        own = self._client.search_experiments(filter_string=f"tags.`{mark}` = 'study'")
        if own:
            return str(own[0].experiment_id)
        found = self._find_experiment(study_name)
        self._client.set_experiment_tag(found, mark, "study")
        return found

    def _find_experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name))
            except _mlflow_exception() as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = self._client.get_experiment_by_name(name)  # another exporter was faster
        if found is None or found.lifecycle_stage != "active":
            raise InputError(
                f"the MLflow experiment {name!r} was deleted there",
                "restore it with: mlflow experiments restore, or name another one: tracking.experiment",
            )
        return str(found.experiment_id)

    def _find_or_create(self, run: TrackedRun, number: int) -> str:
        block = number // _BLOCK
        with self._reading:
            if block not in self._blocks:
                self._read_block(block)
        if number not in self._runs:
            tags = {
                "hpotool.kind": "trial",
                "hpotool.block": str(block),
                "mlflow.parentRunId": str(self._study_run),
            }
            self._runs[number] = self._create(run, tags)
        return self._runs[number]

    def _has_experiment(self) -> bool:
        """Whether the experiment is there, and nobody deleted it meanwhile."""
        with self._errors():
            found = self._client.get_experiment(self._experiment_id)
        return bool(found.lifecycle_stage == "active")

    def _read_block(self, block: int) -> None:
        found: dict[int, list[Run]] = {}
        for run in self._search(f"tags.`hpotool.block` = '{block}'"):
            found.setdefault(int(run.data.tags["hpotool.trial"]), []).append(run)
        self._runs |= {number: only for number, runs in found.items() if (only := self._only(runs))}
        self._blocks.add(block)

    def _only(self, runs: Sequence[Run]) -> str | None:
        """The run that stays. A second one was made by a request that was taken for lost."""
        ids = sorted(str(run.info.run_id) for run in runs)
        for run_id in ids[1:]:
            _logger.warning("MLflow has run %s twice; %s goes", ids[0], run_id)
            self._client.delete_run(run_id)
        return ids[0] if ids else None

    def _search(self, condition: str) -> Iterator[Run]:
        whole = f"tags.`hpotool.job` = '{self._job_id}' and {condition}"
        token = None
        while True:
            page = self._client.search_runs([self._experiment_id], whole, max_results=_BLOCK, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _create(self, run: TrackedRun, tags: Mapping[str, str]) -> str:
        """Make a run. The tags that it is found by come with it, in one request."""
        number = {} if run.number is None else {"hpotool.trial": str(run.number)}
        whole = {**tags, **number, "hpotool.job": self._job_id, "mlflow.source.name": "hpotool"}
        made = self._client.create_run(self._experiment_id, _milliseconds(run.started), whole, run.name)
        return str(made.info.run_id)

    def _log(
        self, run_id: str, points: Sequence[Point], params: Mapping[str, str], tags: Mapping[str, str]
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        metrics = [Metric(each.name, each.value, _milliseconds(each.at), each.step) for each in points]
        parts: tuple[list[list[Any]], ...] = (
            _parts(metrics, _MOST_METRICS),
            _parts([Param(*each) for each in params.items()], _MOST_TEXTS),
            _parts([RunTag(*each) for each in tags.items()], _MOST_TEXTS),
        )
        for some in zip_longest(*parts, fillvalue=()):
            self._client.log_batch(run_id, *some)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Whatever MLflow, requests and SQLAlchemy raise inside comes out as one of a target's two errors."""
        try:
            yield
        except HpotoolError:
            raise
        except _mlflow_exception() as error:
            code, reason = str(error.error_code), " ".join(str(error).split())[:500]
            if code in _REFUSED and "Max retries" not in reason:
                raise RefusedByTargetError(f"MLflow refused: {reason}") from error
            raise TargetAwayError(f"MLflow at {self._address} does not answer well: {reason}") from error
        except (OSError, ValueError) as error:  # requests' errors are OSErrors; a proxy's page is no JSON
            raise TargetAwayError(f"MLflow at {self._address} does not answer: {error}") from error


def _make_client(address: str) -> MlflowClient:
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise InputError("MLflow is not installed here", "pip install 'hpotool[mlflow]'") from None
    try:
        return MlflowClient(address)
    except MlflowException as error:
        said = f"MLflow cannot use {address}: {' '.join(str(error).split())}"
        raise InputError(said, "--address http://127.0.0.1:5000") from error


def _mlflow_exception() -> type[Any]:
    from mlflow.exceptions import MlflowException

    kind: type[Any] = MlflowException
    return kind


def _tags_of(run: TrackedRun) -> dict[str, str]:
    """A run's tags, with its note and its commit also where MLflow shows them."""
    shown = {"mlflow.note.content": run.note, "mlflow.source.git.commit": run.tags.get("hpotool.commit")}
    return {**run.tags, **{name: value for name, value in shown.items() if value}}


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _parts(items: Sequence[_Item], most: int) -> list[list[_Item]]:
    iterator = iter(items)
    parts = []
    while part := list(islice(iterator, most)):
        parts.append(part)
    return parts
