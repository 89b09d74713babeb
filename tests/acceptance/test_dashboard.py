"""``hpotool dashboard``: what a browser really shows, and what it refuses."""

from __future__ import annotations

import base64
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import optuna
import psutil
import psycopg2
import pytest

from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.open import open_storage
from tests.acceptance.command_line import HPOTOOL, CommandLine, wait_until
from tests.browser import rendered_text
from tests.postgres import PASSWORD, TestServer

Start = Callable[..., "Dashboard"]


class Dashboard:
    """A running ``hpotool dashboard``."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self.log = log
        self.url = wait_until(self._read_url, "the dashboard says where it is")

    def request(
        self,
        path: str,
        method: str = "GET",
        body: object = None,
        login: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        request = urllib.request.Request(self.url + path, method=method, headers=dict(headers or {}))
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if login:
            request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def _read_url(self) -> str | None:
        assert self.process.poll() is None, self.log.read_text()
        found = re.search(r"dashboard: (\S+)", self.log.read_text())
        return found.group(1) if found else None


@pytest.fixture
def study(study_database_url: str) -> optuna.Study:
    study = optuna.create_study(
        study_name="digits-in-a-browser", storage=open_storage(study_database_url), direction="maximize"
    )
    space = {"learning_rate": optuna.distributions.FloatDistribution(0, 1)}
    for value in (0.25, 0.7316, 0.5):
        study.add_trial(
            optuna.trial.create_trial(params={"learning_rate": value}, distributions=space, value=value)
        )
    return study


@pytest.fixture
def start(study_database_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts ``hpotool dashboard`` on the study's database."""
    with ExitStack() as running:

        def start(*arguments: str, url: str = study_database_url, **environment: str) -> Dashboard:
            log = tmp_path / "dashboard.log"
            command_line = CommandLine(url, environment=environment)
            process = running.enter_context(command_line.start("dashboard", "--port", "0", *arguments, log=log))
            return Dashboard(process, log)

        yield start


def test_a_browser_shows_the_study_and_its_best_trial(start: Start, study: optuna.Study) -> None:
    dashboard = start()
    assert "digits-in-a-browser" in rendered_text(dashboard.url)
    page = rendered_text(f"{dashboard.url}dashboard/studies/{study._study_id}")
    assert "digits-in-a-browser" in page
    assert "Best Trial (number=1) 0.7316" in page
    assert "learning_rate" in page


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_changes_studies_and_what_it_wrote_last_is_kept(
    start: Start, study: optuna.Study, study_database_url: str, ending: signal.Signals
) -> None:
    dashboard = start()
    path = f"api/studies/{study._study_id}/note"
    assert dashboard.request(path, "PUT", {"body": "what it is for", "version": 1})[0] == 204
    dashboard.process.send_signal(ending)
    assert dashboard.process.wait(30) == 0
    assert "Traceback" not in dashboard.log.read_text()
    plain_optuna = optuna.storages.RDBStorage(DatabaseUrl.parse(study_database_url).sqlalchemy)
    assert "what it is for" in str(plain_optuna.get_study_system_attrs(study._study_id))


def test_read_only_shows_everything_and_changes_nothing(start: Start, study: optuna.Study) -> None:
    dashboard = start("--read-only")
    status, body = dashboard.request("api/studies")
    assert (status, json.loads(body)["study_summaries"][0]["study_name"]) == (200, "digits-in-a-browser")
    number = study._study_id
    for method, path in (
        ("DELETE", f"api/studies/{number}"),
        ("POST", "api/studies"),
        ("POST", f"api/studies/{number}/rename"),
        ("PUT", f"api/studies/{number}/note"),
    ):
        assert dashboard.request(path, method, {"body": "x", "version": 1, "study_name": "other"}) == (
            403,
            '{"reason": "this dashboard is read-only"}',
        )
    assert [found.study_name for found in optuna.get_all_study_summaries(study._storage)] == [
        "digits-in-a-browser"
    ]


def test_a_role_that_may_only_read_can_serve_every_page(
    start: Start, study: optuna.Study, study_database_url: str, postgres: TestServer
) -> None:
    database = DatabaseUrl.parse(study_database_url).url.database
    reader = f"reader_{database}"
    connection = psycopg2.connect(study_database_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {reader} LOGIN PASSWORD 'reading'")
        cursor.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}")
    try:
        url = study_database_url.replace(f"tester:{PASSWORD}", f"{reader}:reading")
        dashboard = start("--read-only", url=url)
        for path in ("api/studies", f"api/studies/{study._study_id}", f"csv/{study._study_id}"):
            assert dashboard.request(path)[0] == 200, dashboard.log.read_text()
        assert "0.7316" in dashboard.request(f"csv/{study._study_id}")[1]
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP OWNED BY {reader}; DROP ROLE {reader}")
        connection.close()


def test_a_name_that_is_not_its_own_reads_and_changes_nothing(start: Start, study: optuna.Study) -> None:
    dashboard = start("--allow-host", "Studies.example.org")
    port = dashboard.url.rstrip("/").rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "", "localhost.evil.example:80",
                 "evil@127.0.0.1x", "[::1", "studies.example.org:x"):  # fmt: skip
        assert dashboard.request("api/studies", headers={"Host": host})[0] == 403, host
        assert dashboard.request(f"api/studies/{study._study_id}", "DELETE", headers={"Host": host})[0] == 403
    names = ("localhost", f"LOCALHOST:{port}", "127.0.0.1", "[::1]:9999", "10.1.2.3:80", socket.gethostname())
    for host in (*names, "studies.example.org", "studies.example.org.:443"):
        status, body = dashboard.request("api/studies", headers={"Host": host})
        assert (status, "digits-in-a-browser" in body) == (200, True), host


def test_a_page_of_another_site_changes_nothing(start: Start, study: optuna.Study) -> None:
    dashboard = start()
    own = dashboard.url.rstrip("/")
    note = (f"api/studies/{study._study_id}/note", "PUT")
    foreign = (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": own, "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    )
    for headers in foreign:
        status, body = dashboard.request(*note, {"body": "x", "version": 1}, headers=headers)
        assert (status, json.loads(body)) == (403, {"reason": "a page of another site made this request"}), headers
        assert dashboard.request(f"api/studies/{study._study_id}", "DELETE", headers=headers)[0] == 403
    assert (
        dashboard.request("api/studies", headers={"Sec-Fetch-Site": "cross-site"})[0] == 200
    )  # a link from a wiki
    own_page = {"Origin": own, "Sec-Fetch-Site": "same-origin"}
    assert dashboard.request(*note, {"body": "from its own page", "version": 1}, headers=own_page)[0] == 204
    assert dashboard.request(*note, {"body": "from a program", "version": 2})[0] == 204


def test_a_login_is_asked_for_when_one_is_set(start: Start, study: optuna.Study) -> None:
    dashboard = start(HPOTOOL_DASHBOARD_LOGIN="ada:correct horse:battery")
    for wrong in ("", "ada:wrong", "eve:correct horse:battery", "ada:"):
        assert dashboard.request("api/studies", login=wrong) == (401, '{"reason": "this dashboard needs a login"}')
    assert dashboard.request("api/studies", login="ada:correct horse:battery")[0] == 200
    assert "correct horse" not in dashboard.log.read_text()


def test_no_password_is_in_the_process_list_or_the_log(start: Start, study: optuna.Study) -> None:
    dashboard = start()
    process = psutil.Process(dashboard.process.pid)
    shown = [" ".join(each.cmdline()) for each in (process, *process.children(recursive=True))]
    assert PASSWORD not in " ".join(shown) + dashboard.log.read_text()


def test_whoever_opens_it_to_a_network_is_warned(start: Start, study: optuna.Study) -> None:
    assert "can change and delete studies" in start("--host", "0.0.0.0").log.read_text()


def test_a_port_that_is_taken(study_database_url: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        refused = CommandLine(study_database_url).run("dashboard", "--port", port, code=2)
    assert f"cannot listen on port {port} of 127.0.0.1: address already in use" in refused.stderr
    assert "--port" in refused.stderr


@pytest.mark.parametrize("host", ["no.such.host.invalid", "198.51.100.7"])
def test_an_address_that_is_not_here(study_database_url: str, host: str) -> None:
    refused = CommandLine(study_database_url).run("dashboard", "--host", host, "--port", "0", code=2)
    assert "hint: " in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("login", ["ada", ":secret", "ada:"])
def test_a_login_without_user_or_password(study_database_url: str, login: str) -> None:
    command_line = CommandLine(study_database_url, environment={"HPOTOOL_DASHBOARD_LOGIN": login})
    refused = command_line.run("dashboard", "--port", "0", code=2)
    assert "HPOTOOL_DASHBOARD_LOGIN is not of the form USER:PASSWORD" in refused.stderr
    assert "secret" not in refused.stderr


def test_without_the_extra_it_says_what_to_install(study_database_url: str) -> None:
    without = (
        "import sys, importlib.util as u; find = u.find_spec;"
        "u.find_spec = lambda name, *more: None if name == 'optuna_dashboard' else find(name, *more);"
        "from hpotool.cli.app import main; main(['dashboard'])"
    )
    refused = subprocess.run(
        [sys.executable, "-c", without], env={"HPOTOOL_STORAGE": study_database_url, "PATH": str(HPOTOOL.parent)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    assert refused.stderr == "error: the dashboard is not installed\nhint: pip install 'hpotool[dashboard]'\n"


def test_a_client_that_names_no_encoding_gets_every_file(start: Start, study: optuna.Study) -> None:
    dashboard = start()
    host, port = dashboard.url.removeprefix("http://").rstrip("/").split(":")
    for path in ("/static/bundle.js", "/favicon.ico", "/dashboard"):
        client = http.client.HTTPConnection(host, int(port), timeout=60)
        client.putrequest("GET", path, skip_accept_encoding=True)
        client.endheaders()
        answer = client.getresponse()
        assert (answer.status, answer.getheader("Content-Encoding")) == (200, None), path
        assert answer.read()
        client.close()
