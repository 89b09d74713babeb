import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from hpotool.study.spec import TrackingSpec
from hpotool.tracking import reach
from hpotool.tracking.reach import Reached, try_trackers
from hpotool.tracking.targets.wandb import Place
from tests.wandb_server import KEY, WandbServer

VARIABLES = (
    "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "WANDB_API_KEY", "WANDB_MODE",
    "WANDB_BASE_URL", "WANDB_DIR",
)  # fmt: skip


class Answering:
    """A server that answers each question in one way, and keeps who asked."""

    def __init__(self) -> None:
        self.status, self.text, self.asked = 200, json.dumps({"experiments": []}), [("", "")]
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.asked.append((self.path, self.headers.get("Authorization") or ""))
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(outer.text.encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setattr(reach, "_is_installed", lambda package: True)


@pytest.fixture
def answering() -> Iterator[Answering]:
    server = Answering()
    threading.Thread(target=server.http.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.http.shutdown()
    server.http.server_close()


def only(tracking: TrackingSpec) -> Reached:
    [found] = try_trackers(tracking, timeout_s=5)
    return found


def test_a_study_without_trackers_asks_nobody() -> None:
    assert try_trackers(TrackingSpec()) == []


def test_an_mlflow_that_answers_is_said_to(answering: Answering) -> None:
    found = only(TrackingSpec(mlflow=f"{answering.address}/sub/"))
    assert found.trouble == ""
    assert found.sentence == f"mlflow {answering.address}/sub/: it can be used"
    assert answering.asked[1:] == [("/sub/api/2.0/mlflow/experiments/search", "")]


@pytest.mark.parametrize(
    ("status", "text", "said", "hinted"),
    [
        (401, "", r"does not let us in \(401\)", "MLFLOW_TRACKING_USERNAME"),
        (403, "{}", r"does not let us in \(403\)", "MLFLOW_TRACKING_TOKEN"),
        (404, "{}", "answers with 404", "correct the address"),
        (503, "", "answers with 503", "sent later"),
        (200, "<html>a router</html>", "is not MLflow", "correct the address"),
        (200, "[1]", "is not MLflow", "correct the address"),
    ],
)
def test_what_answers_otherwise_is_told_apart(
    answering: Answering, status: int, text: str, said: str, hinted: str
) -> None:
    answering.status, answering.text = status, text
    found = only(TrackingSpec(mlflow=answering.address))
    assert re.search(said, found.trouble)
    assert hinted in found.hint


@pytest.mark.parametrize(
    ("variables", "header"),
    [
        ({"MLFLOW_TRACKING_TOKEN": "t"}, "Bearer t"),
        ({"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "p"}, "Basic YW5uOnA="),
    ],
)
def test_mlflow_is_asked_as_its_client_would(
    answering: Answering, variables: dict[str, str], header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert only(TrackingSpec(mlflow=answering.address)).trouble == ""
    assert answering.asked[-1][1] == header


def test_a_server_that_is_away_is_said_to_be(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    found = only(TrackingSpec(mlflow="http://127.0.0.1:9"))
    assert "does not answer" in found.trouble
    assert "sent later" in found.hint
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert "does not answer" in only(TrackingSpec(wandb="http://127.0.0.1:9/ann/digits")).trouble


def test_wandb_says_whether_it_knows_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = WandbServer()
    server.start()
    there = TrackingSpec(wandb=f"{server.address}/ann/digits")
    assert only(there).trouble == "there is no API key here"
    monkeypatch.setenv("WANDB_API_KEY", "local-" + "b" * 40)
    assert "does not let us in" in only(there).trouble
    assert "bbb" not in f"{only(there)}"
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert only(there).trouble == ""
    monkeypatch.delenv("WANDB_API_KEY")
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1\n  login user\n  password {KEY}\n")
    assert only(there).trouble == ""
    server.stop()


def test_wandb_that_is_another_program_is_not_taken_for_it(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    there = TrackingSpec(wandb=f"{answering.address}/ann/digits")
    assert only(there).trouble == "what answers there is not W&B"
    answering.text = json.dumps({"data": {"viewer": None}})
    assert only(there).trouble == "it does not know the API key"


def test_a_library_that_is_missing_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "_is_installed", lambda package: False)
    found = try_trackers(TrackingSpec("http://127.0.0.1:9", None, "runs", "digits"))
    assert [each.hint for each in found] == [
        f"pip install 'hpotool[{name}]'" for name in ("mlflow", "tensorboard", "wandb")
    ]


def test_folders_are_looked_at_and_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    assert only(TrackingSpec(tensorboard=str(tmp_path / "a" / "b"))).trouble == ""
    assert not (tmp_path / "a").exists()
    assert "cannot be written" in only(TrackingSpec(tensorboard=str(tmp_path / "file" / "b"))).trouble
    assert only(TrackingSpec(mlflow=f"sqlite:///{tmp_path}/mlflow.db")).trouble == ""
    assert "cannot be written" in only(TrackingSpec(mlflow=f"sqlite:///{tmp_path}/file/mlflow.db")).trouble
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "file"))
    assert "cannot be written" in only(TrackingSpec(wandb="digits")).trouble
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    assert only(TrackingSpec(wandb="digits")).trouble == ""


def test_what_only_the_library_can_ask_is_left_to_it() -> None:
    assert only(TrackingSpec(mlflow="postgresql://127.0.0.1:9/mlflow")).trouble == ""


def test_a_folder_of_runs_is_not_taken_for_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    (tmp_path / "folder_of_runs").mkdir()
    (tmp_path / "real_package").mkdir()
    (tmp_path / "real_package" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert not reach._is_installed("folder_of_runs")
    assert not reach._is_installed("there_is_no_such_package")
    assert reach._is_installed("real_package")


def test_the_login_of_wandb_is_found_where_it_keeps_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    assert Place.parse("digits").name == "https://api.wandb.ai"
    (tmp_path / "settings").write_text("[default]\nbase_url = https://wandb.example.org\n")
    assert Place.parse("digits").name == "https://wandb.example.org"
    assert Place.parse("https://wandb.ai/ann/digits").name == "https://api.wandb.ai"
    (tmp_path / "settings").write_text("no settings")
    assert Place.parse("digits").name == "https://api.wandb.ai"
    (tmp_path / "netrc").write_text("machine api.forge.coreweave.com\n  login user\n  password key\n")
    assert reach._key_of_login("https://api.wandb.ai") == "key"
    assert reach._key_of_login("https://wandb.example.org") is None
