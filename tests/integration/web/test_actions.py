"""The buttons: what they do, what the event log says of it, and everybody who is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from hpotool.storage.control.creation import create_or_resume, read_spec
from hpotool.storage.control.keeping import read_note
from hpotool.storage.control.orders import Event, read_events, read_settings
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import Ending, finish_attempt
from hpotool.storage.open import open_storage
from hpotool.study.file.reader import read_document
from hpotool.study.outcome import Outcome
from hpotool.study.yaml.document import Place, Problems, from_plain
from hpotool.web.exchange import Request
from hpotool.web.pages import Pages
from hpotool.web.sessions import COOKIE

Make = Callable[..., Any]


class Browser:
    """Somebody's browser: it keeps its cookie, and presses the buttons of the page that it shows."""

    def __init__(self, pages: Pages, user: str | None = "ada") -> None:
        self.pages, self.user = pages, user
        self.cookies: dict[str, str] = {}
        self.body = ""

    def open(self, path: str) -> str:
        response = self.pages.answer(self._request("GET", path))
        for name, value in response.headers:
            if name == "Set-Cookie":
                self.cookies[COOKIE] = value.partition("=")[2].partition(";")[0]
        self.body = response.body.decode()
        return self.body

    def press(self, path: str, status: str = "303 See Other", **fields: str) -> str:
        """Send the form of the open page, follow the redirect, and return the notice."""
        response = self.pages.answer(self.request(path, **fields))
        assert response.status == status, response.body.decode()
        if status.startswith("303"):
            self.open(dict(response.headers)["Location"].removeprefix("/hpotool/"))
            [notice] = re.findall(r'class="notice[^>]*>\s*<p>([^<]*)</p>', self.body)
            return str(notice)
        return response.body.decode()

    def request(self, path: str, **fields: str) -> Request:
        seen = re.search(r'name="seen" value="(\w*)"', self.body)
        token = re.search(r'name="token" value="(\w*)"', self.body)
        given = {"token": token[1] if token else "", "seen": seen[1] if seen else ""}
        return replace(self._request("POST", path), form=given | fields)

    def _request(self, method: str, path: str) -> Request:
        parts = tuple(part for part in path.split("/") if part)
        return Request(
            method,
            parts,
            cookies=dict(self.cookies),
            user=self.user,
            host="h:1",
            origin="http://h:1",
            site="same-origin",
        )  # fmt: skip


@pytest.fixture
def study(make_study: Make) -> Any:
    return make_study(budget=9, study_name="s")


@pytest.fixture
def browser(study: Any) -> Browser:
    browser = Browser(Pages(open_storage(study.url.sqlalchemy), may_act=True))
    browser.open("studies/1")
    return browser


def state_of(study: Any) -> str:
    settings = read_settings(study.connection.run, study.study_id)
    assert settings is not None
    return settings.state


def events(study: Any) -> Iterator[Event]:
    return (e for e in read_events(study.connection.run, study.study_id) if e.actor == "ada@dashboard")


def fail_one(study: Any) -> int:
    attempt = study.claim(study.worker())
    finish_attempt(study.connection.run, attempt, "w", TrialState.FAIL, None, Ending(Outcome.ERROR, "no"))
    return int(attempt.number)


def test_a_study_is_paused_resumed_drained_and_stopped_with_the_person_as_the_actor(
    study: Any, browser: Browser
) -> None:
    assert browser.press("studies/1/actions/pause", reason="lunch\n<b>").startswith("s is paused")
    assert state_of(study) == "paused"
    assert browser.press("studies/1/actions/pause") == "s is already paused"
    assert browser.press("studies/1/actions/resume").startswith("s is running")
    assert browser.press("studies/1/actions/drain").startswith("s is draining")
    assert browser.press("studies/1/actions/stop").startswith("s is stopped")
    assert state_of(study) == "stopped"
    happened = [(e.from_state, e.to_state, e.reason) for e in events(study)]
    assert happened == [
        ("running", "paused", "lunch <b>"),
        ("paused", "running", ""),
        ("running", "draining", ""),
        ("draining", "stopped", ""),
    ]


def test_the_page_shows_the_new_state_at_once_and_only_its_buttons(browser: Browser) -> None:
    assert 'action="/hpotool/studies/1/actions/pause"' in browser.body
    browser.press("studies/1/actions/pause")
    assert '<span class="state paused">' in browser.body
    assert 'action="/hpotool/studies/1/actions/pause"' not in browser.body
    assert 'action="/hpotool/studies/1/actions/resume"' in browser.body


def test_a_failed_trial_is_retried_once(study: Any, browser: Browser) -> None:
    number = fail_one(study)
    browser.open(f"studies/1/trials/{number}")
    assert browser.press(f"studies/1/trials/{number}/actions/retry") == "trial 0 is queued again, as trial 1"
    assert study.states()[1] == "WAITING"
    assert "actions/retry" not in browser.body
    assert browser.press("studies/1/trials/0/actions/retry") == "trial 0 is already being retried, as trial 1"
    assert [(e.kind, e.number) for e in events(study)] == [("requeue", 1)]


def test_a_trial_is_stopped_for_good(study: Any, browser: Browser) -> None:
    attempt = study.claim(study.worker())
    browser.open("studies/1/trials/0")
    said = browser.press("studies/1/trials/0/actions/stop", reason="too slow")
    assert said.startswith("trial 0 is asked to stop")
    study.optuna.enqueue_trial({"x": 1})
    assert browser.press("studies/1/trials/1/actions/stop") == "trial 1 is cancelled"
    assert study.states()[1] == "FAIL"
    assert browser.press("studies/1/trials/1/actions/stop").startswith("trial 1 has already ended")
    assert {e.number for e in events(study)} == {attempt.number, 1}


def test_a_note_is_written_seen_changed_and_removed_with_its_events(study: Any, browser: Browser) -> None:
    study.optuna.enqueue_trial({"x": 1})
    for path, number in (("studies/1", None), ("studies/1/trials/0", 0)):
        browser.open(path)
        assert browser.press(f"{path}/actions/note", text="first\r\n<b>line</b>\0") == "the note is saved"
        assert read_note(study.connection, 1, number) == "first\n<b>line</b>�"
        assert "&lt;b&gt;line&lt;/b&gt;" in browser.body
        assert browser.press(f"{path}/actions/note", text=" ") == "the note is removed"
        assert read_note(study.connection, 1, number) == ""
    notes = [(e.number, e.to_state) for e in events(study) if e.kind == "note"]
    assert notes == [(None, "written"), (None, "removed"), (0, "written"), (0, "removed")]


def test_a_note_that_somebody_changed_meanwhile_is_not_overwritten(study: Any, browser: Browser) -> None:
    other = Browser(browser.pages, "eve")
    other.open("studies/1")
    browser.press("studies/1/actions/note", text="mine")
    assert "meanwhile" in other.press("studies/1/actions/note", text="theirs")
    assert read_note(study.connection, 1) == "mine"
    assert other.press("studies/1/actions/note", text="mine and theirs") == "the note is saved"
    assert "at most" in other.press("studies/1/actions/note", text="x" * 100_001)


def test_tags_are_set_and_removed(study_database_url: str) -> None:
    connection = Connection(DatabaseUrl.parse(study_database_url))
    document = {
        "study": "t", "objective": {"python": "m:f"}, "metrics": [{"loss": "minimize"}],
        "search_space": [{"x": {"float": [0, 1]}}], "tags": {"team": "red"},
    }  # fmt: skip
    create_or_resume(connection, read_document(from_plain(document, Place()), Problems()), "test")
    browser = Browser(Pages(open_storage(connection.url.sqlalchemy), may_act=True))
    browser.open("studies/1")
    assert "team=red" in browser.body
    assert browser.press(
        "studies/1/actions/tag", key="owner", value="ann = <b>"
    ) == "the tag owner is ann = <b>".replace("<", "&lt;").replace(">", "&gt;")
    assert browser.press("studies/1/actions/tag", key="team", value="") == "the tag team is removed"
    assert read_spec(connection, "t")[1].tags == {"owner": "ann = <b>"}
    for key in ("", " ", "a=b"):
        assert "a tag needs a name" in browser.press("studies/1/actions/tag", key=key, value="x")
    kinds = [e.kind for e in read_events(connection.run, 1) if e.actor == "ada@dashboard"]
    assert kinds == ["settings", "settings"]


def test_a_study_of_plain_optuna_obeys_too_but_has_no_tags(database_url: str) -> None:
    url = DatabaseUrl.parse(database_url)
    optuna.create_study(study_name="plain", storage=optuna.storages.RDBStorage(url.sqlalchemy))
    browser = Browser(Pages(open_storage(url.sqlalchemy), may_act=True))
    browser.open("studies/1")
    assert "actions/tag" not in browser.body
    assert browser.press("studies/1/actions/pause").startswith("plain is paused")
    assert "has no settings" in browser.press("studies/1/actions/tag", key="a", value="b")


@pytest.mark.parametrize(
    "path",
    ["studies/1/actions/delete", "studies/1/trials/0/actions/pause", "studies/1", "studies/9/actions/pause", ""],
)
def test_what_is_no_action_changes_nothing(study: Any, browser: Browser, path: str) -> None:
    response = browser.pages.answer(browser.request(path))
    assert response.status in ("404 Not Found", "303 See Other")
    assert list(events(study)) == []
    assert state_of(study) == "running"


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "http://evil.example"},
        {"origin": None},
        {"origin": "null"},
        {"site": "cross-site"},
        {"cookies": {}},
        {"cookies": {COOKIE: "other"}},
        {"form": {}},
        {"form": {"token": "0" * 64}},
        {"user": None},
        {"user": "eve"},
    ],
    ids=str,
)
def test_a_forged_press_is_refused_and_changes_nothing(
    study: Any, browser: Browser, changes: dict[str, Any]
) -> None:
    response = browser.pages.answer(replace(browser.request("studies/1/actions/stop"), **changes))
    assert response.status == "403 Forbidden"
    assert state_of(study) == "running"
    assert list(events(study)) == []


def test_an_action_is_never_a_get(study: Any, browser: Browser) -> None:
    for method in ("GET", "HEAD", "PUT"):
        request = replace(browser.request("studies/1/actions/stop"), method=method)
        assert browser.pages.answer(request).status in ("404 Not Found", "405 Method Not Allowed")
    assert state_of(study) == "running"


@pytest.mark.parametrize("user", ["ada", None])
def test_without_a_login_or_read_only_there_are_no_buttons_and_the_server_refuses(
    study: Any, user: str | None
) -> None:
    fail_one(study)
    browser = Browser(Pages(open_storage(study.url.sqlalchemy), may_act=False), user)
    for path in ("", "studies/1", "studies/1/trials", "studies/1/trials/0"):
        body = browser.open(path)
        assert 'method="post"' not in body
        assert "token" not in body
    assert browser.cookies == {}
    said = browser.press("studies/1/actions/stop", "403 Forbidden")
    assert "HPOTOOL_DASHBOARD_LOGIN" in said
    assert browser.press("studies/1/trials/0/actions/retry", "403 Forbidden")
    assert state_of(study) == "running"
    assert study.states() == {0: "FAIL"}
