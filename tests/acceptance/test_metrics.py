"""``/metrics`` as Prometheus meets it: from the dashboard or alone, behind a login, over an outage."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from tests.acceptance.command_line import ROOT, CommandLine, wait_until
from tests.postgres import PASSWORD, TestServer, free_port

STUDY = """
study: digits
objective: {command: ["true"]}
metrics: {loss: minimize}
search_space: {x: {float: [0, 1]}}
budget: {trials: 4}
warm_start: [{x: 0.5}, {x: 0.25}]
"""
NAME = 'a "quoted" \\ study'
Serve = Callable[..., str]


def get(url: str, login: str = "", host: str = "") -> tuple[int, str]:
    """Status and text of an answer."""
    request = urllib.request.Request(url)
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    if host:
        request.add_header("Host", host)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def value(page: str, name: str, **labels: str) -> float:
    """One sample's value."""
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    [found] = [each.value for each in samples if each.name == name and labels.items() <= each.labels.items()]
    return found


@pytest.fixture
def hpotool(database_url: str, tmp_path: Path) -> CommandLine:
    (tmp_path / "study.yaml").write_text(STUDY)
    hpotool = CommandLine(database_url)
    hpotool.run("create-study", str(tmp_path / "study.yaml"))
    connection = Connection(DatabaseUrl.parse(database_url))
    connection.run("UPDATE studies SET study_name = %s", (NAME,))  # as Optuna lets people name theirs
    connection.close()
    return hpotool


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a command that serves, and returns its address."""
    with ExitStack() as running:

        def start(hpotool: CommandLine, *arguments: str) -> str:
            log = tmp_path / f"{arguments[0]}.log"
            process = running.enter_context(hpotool.start(*arguments, log=log))

            def address() -> str | None:
                assert process.poll() is None, log.read_text()
                found = re.search(r"(?:metrics|dashboard): (http://[^/]+)", log.read_text())
                return found and found[1]

            return str(wait_until(address, "it says where it is"))

        yield start


def test_the_command_prints_a_page_without_the_password(hpotool: CommandLine) -> None:
    page = hpotool.run("metrics").stdout
    assert value(page, "hpotool_up") == 1
    assert value(page, "hpotool_queued_trials", study=NAME) == 2
    assert value(page, "hpotool_budget_left_trials") == 4
    assert PASSWORD not in page


def test_the_dashboard_serves_it_behind_its_login_and_its_names(hpotool: CommandLine, serve: Serve) -> None:
    login = CommandLine(hpotool.url, environment={"HPOTOOL_DASHBOARD_LOGIN": "ada:secret"})
    address = serve(login, "dashboard", "--port", "0", "--read-only")
    assert get(f"{address}/metrics")[0] == 401
    assert get(f"{address}/metrics", "ada:secret", host="evil.example")[0] == 403
    status, page = get(f"{address}/metrics", "ada:secret")
    assert status == 200
    assert value(page, "hpotool_trials", state="waiting") == 2
    assert get(f"{address}/api/studies", "ada:secret")[0] == 200, "the dashboard is still there"


def test_a_server_of_its_own_has_one_page_and_follows_an_outage(
    own_postgres: TestServer, tmp_path: Path, serve: Serve
) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    hpotool = CommandLine(own_postgres.url("postgres"))
    hpotool.run("create-study", str(tmp_path / "study.yaml"))
    address = serve(hpotool, "metrics", "--serve", "--port", "0", "--allow-host", "metrics.example")
    for path in ("/", "/metrics/x", "/api/studies"):
        assert get(address + path)[0] == 404
    assert get(f"{address}/metrics", host="metrics.example:9464")[0] == 200
    assert get(f"{address}/metrics", host="evil.example")[0] == 403

    def is_up() -> float:
        status, page = get(f"{address}/metrics")
        assert status == 200
        return value(page, "hpotool_up")

    assert is_up() == 1
    own_postgres.stop()
    wait_until(lambda: is_up() == 0, "the outage to be said")
    own_postgres.start()
    wait_until(lambda: is_up() == 1, "the database to be back")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--host", "256.1.1.1"), "256.1.1.1 is not an address of this machine"),
        (("--host", "192.0.2.1"), "cannot listen on port"),
    ],
)
def test_an_address_that_cannot_be_listened_on(hpotool: CommandLine, options: tuple[str, ...], said: str) -> None:
    done = hpotool.run("metrics", "--serve", "--port", "0", *options, code=2)
    assert said in done.stderr
    assert "hint: " in done.stderr


def test_promtool_finds_nothing_wrong_with_the_page_and_the_rules(hpotool: CommandLine) -> None:
    promtool = _program("promtool")
    page = hpotool.run("metrics").stdout
    checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    for what, file in (("rules", "alerts.yml"), ("config", "prometheus.yml")):
        checked = subprocess.run(
            [promtool, "check", what, ROOT / "docs" / "monitoring" / file], capture_output=True, text=True
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    shutil.copy(ROOT / "docs" / "monitoring" / "alerts.yml", tmp_path)
    (tmp_path / "test.yml").write_text(RULE_TESTS)
    done = subprocess.run(
        [_program("promtool"), "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_real_prometheus_scrapes_it_and_answers_every_panel(
    hpotool: CommandLine, serve: Serve, tmp_path: Path
) -> None:
    target = serve(hpotool, "metrics", "--serve", "--port", "0").removeprefix("http://")
    port = free_port()
    configuration = (ROOT / "docs" / "monitoring" / "prometheus.yml").read_text()
    configuration = configuration.replace("127.0.0.1:9464", target).replace("15s", "1s")
    (tmp_path / "prometheus.yml").write_text(configuration)
    shutil.copy(ROOT / "docs" / "monitoring" / "alerts.yml", tmp_path)
    with (tmp_path / "prometheus.log").open("w") as log:
        options = [f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
        command = [_program("prometheus"), *options, f"--web.listen-address=127.0.0.1:{port}"]
        prometheus = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        ask = _Prometheus(f"http://127.0.0.1:{port}")
        wait_until(lambda: ask(f"hpotool_queued_trials{{study={json.dumps(NAME)}}}") == [2.0], "a scrape")
        board = json.loads((ROOT / "docs" / "monitoring" / "grafana.json").read_text())
        for panel in board["panels"]:
            for each in panel["targets"]:
                ask(each["expr"].replace("$study", ".*").replace("$__rate_interval", "1m"))
        assert ask('sum(hpotool_workers{study=~".*",state="alive"})') == [0.0]
    finally:
        prometheus.kill()
        prometheus.wait()


class _Prometheus:
    """Asks a server; an expression that it refuses is an error."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __call__(self, expression: str) -> list[float]:
        from urllib.parse import quote

        try:
            status, text = get(f"{self._address}/api/v1/query?time={time.time():.3f}&query={quote(expression)}")
        except OSError:  # not up yet
            return []
        answer: dict[str, Any] = json.loads(text) if text.startswith("{") else {"status": text}
        assert status == 503 or answer["status"] == "success", (expression, text)
        return [float(each["value"][1]) for each in answer.get("data", {}).get("result", [])]


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is missing: apt-get install prometheus"
    return found


RULE_TESTS = """
rule_files: [alerts.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    name: all is well
    input_series:
      - {series: 'hpotool_up', values: '1x60'}
      - {series: 'hpotool_study_state{study="a",state="running"}', values: '1x60'}
      - {series: 'hpotool_study_state{study="done",state="done"}', values: '1x60'}
      - {series: 'hpotool_workers{study="a",state="alive"}', values: '2x60'}
      - {series: 'hpotool_workers{study="done",state="alive"}', values: '0x60'}
      - {series: 'hpotool_trials{study="a",state="running"}', values: '2x60'}
      - {series: 'hpotool_trials{study="done",state="running"}', values: '0x60'}
      - {series: 'hpotool_attempts_total{study="a",outcome="complete"}', values: '0+6x60'}
      - {series: 'hpotool_attempts_total{study="a",outcome="crash"}', values: '0+1x60'}
      - {series: 'hpotool_attempts_total{study="a",outcome="preempted"}', values: '0+20x60'}
    alert_rule_test:
      - {eval_time: 59m, alertname: HpotoolDatabaseAway, exp_alerts: []}
      - {eval_time: 59m, alertname: HpotoolNobodyWorks, exp_alerts: []}
      - {eval_time: 59m, alertname: HpotoolTrialsFail, exp_alerts: []}
  - interval: 1m
    name: everything is wrong
    input_series:
      - {series: 'hpotool_up', values: '0x60'}
      - {series: 'hpotool_study_state{study="a",state="running"}', values: '1x60'}
      - {series: 'hpotool_workers{study="a",state="alive"}', values: '0x60'}
      - {series: 'hpotool_workers{study="a",state="gone"}', values: '2x60'}
      - {series: 'hpotool_trials{study="a",state="running"}', values: '0x60'}
      - {series: 'hpotool_attempts_total{study="a",outcome="complete"}', values: '0+1x60'}
      - {series: 'hpotool_attempts_total{study="a",outcome="error"}', values: '0+3x60'}
    promql_expr_test:
      - {expr: 'ALERTS{alertstate="firing",alertname="HpotoolDatabaseAway",severity="critical"} or vector(0)',
         eval_time: 59m, exp_samples: [
           {labels: 'ALERTS{alertname="HpotoolDatabaseAway",alertstate="firing",severity="critical"}', value: 1},
           {labels: '{}', value: 0}]}
      - {expr: 'sum by (alertname, study) (ALERTS{alertstate="firing",severity="warning"})', eval_time: 59m,
         exp_samples: [
           {labels: '{alertname="HpotoolNobodyWorks",study="a"}', value: 1},
           {labels: '{alertname="HpotoolTrialsFail",study="a"}', value: 1}]}
  - interval: 1m
    name: nothing serves the page
    input_series: []
    promql_expr_test:
      - {expr: 'sum by (alertname) (ALERTS{alertstate="firing"})', eval_time: 59m,
         exp_samples: [{labels: '{alertname="HpotoolDatabaseAway"}', value: 1}]}
"""
