"""``/metrics``: the database's studies, workers and trials in Prometheus's text format.

Every metric is declared once in `METRICS`, which the documentation and the Grafana board follow. What cannot be
read is left out and said in ``hpotool_part_up``; an unreachable database is ``hpotool_up 0``, not an error.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import hpotool
from hpotool.errors import DatabaseUnreachableError, InputError
from hpotool.settings import Pulse
from hpotool.storage.database.connection import Connection
from hpotool.storage.monitoring.gauges import QUANTILES, Ended, Gauges, StudyGauges, read_gauges
from hpotool.study.rules.budget import gpus_of_slot

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from prometheus_client.core import Metric

_logger = logging.getLogger(__name__)
PATH = "/metrics"
_FRESH_S = 5.0
_SHARE = 0.05  # of the time, at most, the database is kept busy with this: a slow reading is kept for longer
_PARTS = ("studies", "trials", "attempts", "workers", "pools", "claims", "server")
_STATES = {
    "WAITING": "waiting",
    "RUNNING": "running",
    "COMPLETE": "complete",
    "PRUNED": "pruned",
    "FAIL": "failed",
}
_PRESENCES = ("alive", "silent", "gone")
_SECONDS_PER_HOUR = 3600.0

Kind = Literal["gauge", "counter", "summary"]


@dataclass(frozen=True)
class Declared:
    """A metric: its type, its labels, and what it means."""

    kind: Kind
    means: str
    labels: Sequence[str] = ()


METRICS: Mapping[str, Declared] = {
    "hpotool_up": Declared("gauge", "Whether the database answered."),
    "hpotool_build_info": Declared("gauge", "The version of hpotool that serves this page.", ("version",)),
    "hpotool_part_up": Declared("gauge", "Whether a part of this page could be read.", ("part",)),
    "hpotool_read_seconds": Declared("gauge", "How long reading this page's numbers took."),
    "hpotool_database_round_trip_seconds": Declared("gauge", "Time of one round trip to the database."),
    "hpotool_database_connections": Declared("gauge", "Connections that clients have to the server."),
    "hpotool_database_connections_max": Declared("gauge", "The most connections that the server admits."),
    "hpotool_study_state": Declared("gauge", "1 for the state that the study is in.", ("study", "state")),
    "hpotool_workers": Declared(
        "gauge", "Workers that serve it and have not left, by sign of life.", ("study", "state")
    ),
    "hpotool_pool_workers": Declared(
        "gauge", "Workers of the study's pool that are not gone, whichever study they serve.", ("study",)
    ),
    "hpotool_trials": Declared("gauge", "Trials by state.", ("study", "state")),
    "hpotool_queued_trials": Declared("gauge", "Trials that wait for a worker.", ("study",)),
    "hpotool_attempts_total": Declared("counter", "Ended attempts by outcome.", ("study", "outcome")),
    "hpotool_attempt_seconds_total": Declared("counter", "Time of ended attempts.", ("study", "outcome")),
    "hpotool_gpu_seconds_total": Declared("counter", "GPU time of ended attempts.", ("study", "outcome")),
    "hpotool_claim_wait_seconds": Declared(
        "summary", "Time of workers between two trials, in the last ten minutes.", ("study",)
    ),
    "hpotool_last_result_age_seconds": Declared(
        "gauge", "Time since the last result, or since the first claim.", ("study",)
    ),
    "hpotool_budget_trials": Declared("gauge", "Trials that the study is to finish.", ("study",)),
    "hpotool_budget_left_trials": Declared("gauge", "Trials that are still to finish.", ("study",)),
    "hpotool_budget_gpu_seconds": Declared("gauge", "GPU time that the study may use.", ("study",)),
    "hpotool_budget_left_gpu_seconds": Declared("gauge", "GPU time that is left.", ("study",)),
}


def require_prometheus() -> None:
    """Check that the ``metrics`` extra is installed.

    Raises:
        InputError: it is not.
    """
    if importlib.util.find_spec("prometheus_client") is None:
        raise InputError("prometheus-client is not installed", "pip install 'hpotool[metrics]'")


class MetricsPage:
    """The page, as text and as a WSGI application: of what ``read`` returns. ``clock`` counts seconds.

    However often it is asked, it reads at most every few seconds, and for a twentieth of the time at most.
    """

    def __init__(self, read: Callable[[], Gauges | None], clock: Callable[[], float] = time.monotonic) -> None:
        require_prometheus()
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._page = b""
        self._fresh_until = float("-inf")

    @classmethod
    def of(cls, connection: Connection, pulse: Pulse) -> MetricsPage:
        """The page of a database."""
        return cls(lambda: _read_or_none(connection, pulse))

    def text(self) -> bytes:
        """The page as it is now, or as it was a few seconds ago."""
        with self._lock:
            if self._clock() >= self._fresh_until:
                began = self._clock()
                self._page = render(self._read())
                took_s = self._clock() - began
                self._fresh_until = self._clock() + max(_FRESH_S, took_s / _SHARE)
            return self._page

    def __call__(self, environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

        body = self.text()
        headers = [("Content-Type", CONTENT_TYPE_PLAIN_0_0_4), ("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        return [body]


def _read_or_none(connection: Connection, pulse: Pulse) -> Gauges | None:
    try:
        return read_gauges(connection, pulse)
    except DatabaseUnreachableError as error:
        _logger.warning("%s: %s", PATH, error.message)
        return None


def with_metrics(application: WSGIApplication, page: WSGIApplication | None) -> WSGIApplication:
    """The application with the page at ``/metrics``; without a page, the application alone."""
    if page is None:
        return application

    def answer(environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        chosen = page if environment.get("PATH_INFO") == PATH else application
        return chosen(environment, start_response)

    return answer


def render(gauges: Gauges | None) -> bytes:
    """The page; None: the database does not answer."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import generate_latest

    class Collector:
        def collect(self) -> Iterator[Metric]:
            return _families(gauges)

    registry = CollectorRegistry()
    registry.register(Collector())
    return generate_latest(registry)


def _families(gauges: Gauges | None) -> Iterator[Metric]:
    """Each declared metric with its samples, in the order of `METRICS`."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
    from prometheus_client.metrics_core import SummaryMetricFamily

    samples = defaultdict(list)
    for name, labels, value in _samples(gauges):
        samples[name].append((labels, value))
    for name, declared in METRICS.items():
        match declared.kind:
            case "gauge":
                family: Metric = GaugeMetricFamily(name, declared.means)
            case "counter":
                family = CounterMetricFamily(name, declared.means)
            case "summary":
                family = SummaryMetricFamily(name, declared.means)
        for suffix in ("", "_count", "_sum") if declared.kind == "summary" else ("",):
            for labels, value in samples[name + suffix]:
                family.add_sample(name + suffix, dict(labels), value)
        yield family


Sample = tuple[str, Mapping[str, str], float]


def _samples(gauges: Gauges | None) -> Iterator[Sample]:
    yield "hpotool_up", {}, float(gauges is not None)
    yield "hpotool_build_info", {"version": hpotool.__version__}, 1.0
    if gauges is None:
        return
    for part in _PARTS:
        yield "hpotool_part_up", {"part": part}, float(part not in gauges.refused)
    yield "hpotool_read_seconds", {}, gauges.read_s
    yield "hpotool_database_round_trip_seconds", {}, gauges.round_trip_s
    if gauges.connections is not None:
        used, most = gauges.connections
        yield "hpotool_database_connections", {}, used
        yield "hpotool_database_connections_max", {}, most
    for study in gauges.studies:
        yield from _of_study(study)


def _of_study(study: StudyGauges) -> Iterator[Sample]:
    of_study = {"study": study.name}
    yield "hpotool_study_state", of_study | {"state": study.state}, 1.0
    for presence, count in zip(_PRESENCES, study.workers, strict=True):
        yield "hpotool_workers", of_study | {"state": presence}, count
    yield "hpotool_pool_workers", of_study, study.pool_workers
    for state, name in _STATES.items():
        yield "hpotool_trials", of_study | {"state": name}, study.trials.get(state, 0)
    yield "hpotool_queued_trials", of_study, study.trials.get("WAITING", 0)
    for name, outcome, value in _by_outcome(study.ended):
        yield name, of_study | {"outcome": outcome}, value
    if study.claims is not None:
        for quantile, value in zip(QUANTILES, study.claims.quantiles, strict=True):
            yield "hpotool_claim_wait_seconds", of_study | {"quantile": f"{quantile:g}"}, value
        yield "hpotool_claim_wait_seconds_count", of_study, study.claims.count
        yield "hpotool_claim_wait_seconds_sum", of_study, study.claims.sum_s
    age_s = _age_of_last_result(study)
    if age_s is not None:
        yield "hpotool_last_result_age_seconds", of_study, age_s
    for name, value in _budget(study):
        yield name, of_study, value


def _by_outcome(ended: Sequence[Ended]) -> Iterator[tuple[str, str, float]]:
    for outcome in sorted({each.outcome for each in ended}):
        of_outcome = [each for each in ended if each.outcome == outcome]
        yield "hpotool_attempts_total", outcome, sum(each.count for each in of_outcome)
        yield "hpotool_attempt_seconds_total", outcome, sum(each.seconds for each in of_outcome)
        yield "hpotool_gpu_seconds_total", outcome, _gpu_seconds(of_outcome)


def _gpu_seconds(ended: Sequence[Ended]) -> float:
    return sum(each.seconds * gpus_of_slot(each.slot) for each in ended)


def _age_of_last_result(study: StudyGauges) -> float | None:
    """Without any result, the time since the first claim: a study that has none for hours is as suspicious."""
    ages = [each.ago_s for each in study.ended if each.outcome in ("complete", "pruned")]
    return min(ages, default=study.begun_s)


def _budget(study: StudyGauges) -> Iterator[tuple[str, float]]:
    if study.budget_trials is not None:
        yield "hpotool_budget_trials", study.budget_trials
        yield "hpotool_budget_left_trials", max(0, study.budget_trials - study.finished)
    try:
        allowed_s = _SECONDS_PER_HOUR * float(study.gpu_hours or "nan")
    except ValueError:  # written by another version: this study's budget is left out, the page is not
        return
    if allowed_s == allowed_s:
        yield "hpotool_budget_gpu_seconds", allowed_s
        yield "hpotool_budget_left_gpu_seconds", max(0.0, allowed_s - _gpu_seconds(study.ended))
