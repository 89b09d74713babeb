"""A stand-in for a W&B server. Its own comes as a container image alone, which cannot be had where tests run.

It speaks as much of the protocol as W&B's real client needs for making runs, streaming them, and reading them
back, and keeps what arrived as a server does: history lines by their offset, whatever else as it was sent last.
Tests can stop it, start it again on its port, and have it refuse.
"""

from __future__ import annotations

import base64
import gzip
import json
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "local-" + "a" * 40


@dataclass
class StoredRun:
    """A run as it arrived."""

    fields: dict[str, Any] = field(default_factory=dict)
    lines: dict[int, dict[str, Any]] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    state: str = "running"
    begun: int = 0  # how often it was made or replaced

    @property
    def history(self) -> list[dict[str, Any]]:
        """Its rows, without what W&B's client adds."""
        rows = [self.lines[offset] for offset in sorted(self.lines)]
        return [
            {key: value for key, value in row.items() if key not in ("_runtime", "_timestamp")} for row in rows
        ]


class WandbServer:
    """One project's server. ``refused`` are statuses by what is asked: ``upsertBucket`` or ``file_stream``."""

    def __init__(self) -> None:
        self.runs: dict[str, StoredRun] = {}
        self.refused: dict[str, int] = {}
        self.asked: Counter[str] = Counter()
        self.artifacts: dict[str, dict[str, bytes]] = {}  # by digest: files that were committed
        self._uploaded: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._http: ThreadingHTTPServer | None = None
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self._port = int(taken.getsockname()[1])
        self.address = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Answer, on the same port as before."""
        self._http = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Answer nothing any more."""
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                with server._lock:
                    status, answer = server._answer(self.path, self.command, body, self.headers)
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_PUT = do_POST  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

    def _answer(self, path: str, method: str, body: bytes, headers: Any) -> tuple[int, Any]:
        if path.endswith("/file_stream"):
            return self._count("file_stream", lambda: self._stream(path.split("/")[-2], json.loads(body)))
        if path.startswith("/artifact/"):
            self._uploaded[path.removeprefix("/artifact/")] = body
        if path != "/graphql":
            return 200, {}  # files beside the run, and what the client tells of itself
        asked = json.loads(body)
        for name in (
            "upsertBucket", "createRunFiles", "createArtifactManifest", "createArtifactFiles", "createArtifact(",
            "commitArtifact", "artifact(id", "artifactType", "viewer", "project(name",
        ):  # fmt: skip
            if name in asked["query"]:
                if name == "viewer" and KEY not in _password(headers):
                    return 401, {"errors": [{"message": "user is not logged in"}]}
                return self._count(name, lambda name=name: {"data": self._ask(name, asked.get("variables") or {})})
        return 200, {"data": {}}

    def _count(self, name: str, answer: Any) -> tuple[int, Any]:
        self.asked[name] += 1
        if name in self.refused:
            return self.refused[name], {"errors": [{"message": "it is refused"}]}
        return 200, answer()

    def _ask(self, name: str, given: dict[str, Any]) -> Any:
        if name == "viewer":
            viewer = {
                "id": "1",
                "entity": "ann",
                "username": "ann",
                "email": "",
                "flags": "{}",
                "teams": {"edges": []},
            }
            return {"viewer": viewer}
        if name == "createRunFiles":
            files = [{"name": file, "uploadUrl": f"{self.address}/put"} for file in given["files"]]
            return {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": files}}
        if "rtifact" in name:
            return self._ask_of_files(name.rstrip("("), given)
        if name == "upsertBucket":
            return {"upsertBucket": {"bucket": self._upsert(given), "inserted": True}}
        run = self.runs.get(given["name"])
        return {"project": {"run": run and _shown(given["name"], run)}}

    def _ask_of_files(self, name: str, given: dict[str, Any]) -> Any:
        """An artifact's id is the digest of its content here: one that was committed is there."""
        if name == "createArtifact":
            digest = given["input"]["digest"]
            state = "COMMITTED" if digest in self.artifacts else "PENDING"
            made = {"id": digest, "state": state, "artifactSequence": {"latestArtifact": None}}
            return {"createArtifact": {"artifact": made}}
        if name == "createArtifactManifest":
            file = {"id": "2", "uploadUrl": f"{self.address}/put", "uploadHeaders": []}
            return {"createArtifactManifest": {"artifactManifest": {"id": "1", "file": file}}}
        if name == "createArtifactFiles":
            files = [
                {"storagePath": each["name"], "uploadUrl": f"{self.address}/artifact/{each['name']}",
                 "uploadHeaders": [], "uploadMultipartUrls": None, "artifact": {"id": each["artifactID"]}}
                for each in given["input"]["artifactFiles"]
            ]  # fmt: skip
            return {"createArtifactFiles": {"files": {"edges": [{"node": file} for file in files]}}}
        if name == "artifact(id":
            return {"artifact": _shown_artifact(given["id"])}
        if name == "commitArtifact":
            self.artifacts[given["artifactID"]], self._uploaded = self._uploaded, {}
            return {"commitArtifact": {"artifact": {"id": given["artifactID"], "digest": given["artifactID"]}}}
        return {"project": {"artifact": None}}

    def _upsert(self, given: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.setdefault(given["name"], StoredRun())
        if given.get("displayName"):  # the client's first word of a run, and of one that it replaces
            run.begun += 1
            run.state = "running"
        run.fields |= {key: value for key, value in given.items() if value is not None}
        config = json.loads(given.get("config") or "{}")
        run.config |= {key: each["value"] for key, each in config.items() if key != "_wandb"}
        owner = {
            "id": "1",
            "name": given.get("project"),
            "entity": {"id": "1", "name": given.get("entity") or "ann"},
        }
        return {
            "id": given["name"],
            "name": given["name"],
            "displayName": given.get("displayName"),
            "project": owner,
        }

    def _stream(self, name: str, sent: dict[str, Any]) -> dict[str, Any]:
        run = self.runs[name]
        for file, part in (sent.get("files") or {}).items():
            if file == "wandb-history.jsonl":
                lines = [json.loads(line) for line in part["content"]]
                run.lines |= dict(enumerate(lines, part["offset"]))
            elif file == "wandb-summary.json":
                run.summary = json.loads(part["content"][-1])
        if sent.get("preempting"):
            run.state = "preempting"
        if sent.get("complete"):
            end = "failed" if sent.get("exitcode") else "finished"
            run.state = "preempted" if run.state == "preempting" else end
        return {"exitcode": None, "limits": {}}


def _password(headers: Any) -> str:
    kind, _, words = (headers.get("Authorization") or "").partition(" ")
    return base64.b64decode(words).decode() if kind == "Basic" else words


def _shown(name: str, run: StoredRun) -> dict[str, Any]:
    config = {key: {"value": each} for key, each in run.config.items()}
    return {
        "id": name, "projectId": "1", "name": name, "displayName": run.fields.get("displayName"), "tags": [],
        "state": run.state, "config": json.dumps(config), "summaryMetrics": json.dumps(run.summary),
        "systemMetrics": "{}", "historyLineCount": len(run.lines), "user": {"name": "ann", "username": "ann"},
        "createdAt": "2026-01-01T00:00:00", "heartbeatAt": "2026-01-01T00:00:00",
    }  # fmt: skip


def _shown_artifact(digest: str) -> dict[str, Any]:
    project = {"id": "1", "internalId": "1", "name": "digits", "entity": {"name": "ann"}}
    return {
        "__typename": "Artifact", "id": digest, "versionIndex": 0, "artifactType": {"name": "model"},
        "artifactSequence": {"__typename": "ArtifactSequence", "name": "digits-final", "project": project},
        "description": None, "metadata": None, "ttlDurationSeconds": -2, "ttlIsInherited": False, "tags": [],
        "historyStep": None, "state": "COMMITTED", "size": 0, "digest": digest, "commitHash": None, "fileCount": 1,
        "createdAt": "2026-01-01T00:00:00", "updatedAt": None, "aliases": [],
    }  # fmt: skip
