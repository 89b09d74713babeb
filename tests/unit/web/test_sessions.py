"""Who may press a button."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hpotool.web.exchange import Request
from hpotool.web.sessions import COOKIE, Notice, Session, Sessions

VISIT = Request("GET", ("studies", "1"), user="ada", host="here:8080")


def press(sessions: Sessions, **changes: object) -> Request:
    """A press of a button on a page that the server has just made."""
    session = sessions.open(VISIT)
    assert session is not None
    request = Request(
        "POST",
        ("studies", "1", "actions", "pause"),
        form={"token": session.token},
        cookies={COOKIE: session.session_id},
        host="here:8080",
        origin="http://here:8080",
        site="same-origin",
        user="ada",
    )
    return replace(request, **changes)  # type: ignore[arg-type]


def test_a_button_on_the_server_s_own_page_may_be_pressed() -> None:
    sessions = Sessions(may_act=True)
    assert sessions.reason_to_refuse(press(sessions)) is None
    assert sessions.reason_to_refuse(press(sessions, site=None)) is None  # an old browser
    assert (
        sessions.reason_to_refuse(press(sessions, origin="HTTPS://HERE:8080")) is None
    )  # behind a proxy with TLS


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"user": None}, "nobody has logged in"),
        ({"origin": None}, "another site"),
        ({"origin": "null"}, "another site"),
        ({"origin": "http://evil.example"}, "another site"),
        ({"origin": "http://here:8080.evil.example"}, "another site"),
        ({"origin": "http://here:80"}, "another site"),
        ({"host": "", "origin": ""}, "another site"),
        ({"site": "cross-site"}, "another site"),
        ({"site": "same-site"}, "another site"),
        ({"site": "none"}, "another site"),
        ({"cookies": {}}, "out of date"),
        ({"cookies": {COOKIE: "of another browser"}}, "out of date"),
        ({"form": {}}, "out of date"),
        ({"form": {"token": ""}}, "out of date"),
        ({"form": {"token": "é"}}, "out of date"),
        ({"user": "eve"}, "out of date"),
    ],
)
def test_anything_else_is_refused(changes: dict[str, object], reason: str) -> None:
    sessions = Sessions(may_act=True)
    refused = sessions.reason_to_refuse(press(sessions, **changes))
    assert refused is not None
    assert reason in refused


def test_a_token_is_bound_to_its_browser_its_user_and_its_server() -> None:
    sessions = Sessions(may_act=True)
    one, other = sessions.open(VISIT), sessions.open(VISIT)
    assert one is not None
    assert other is not None
    assert one.session_id != other.session_id
    assert one.token != other.token
    stolen = press(sessions, form={"token": other.token}, cookies={COOKIE: one.session_id})
    assert sessions.reason_to_refuse(stolen) is not None
    assert Sessions(may_act=True).reason_to_refuse(press(sessions)) is not None  # restarted


def test_where_nobody_may_act_there_is_no_session_and_nothing_is_accepted() -> None:
    sessions = Sessions(may_act=False)
    assert sessions.open(VISIT) is None
    refused = sessions.reason_to_refuse(press(Sessions(may_act=True)))
    assert refused is not None
    assert "HPOTOOL_DASHBOARD_LOGIN" in refused
    assert Sessions(may_act=True).open(replace(VISIT, user=None)) is None


def test_a_browser_keeps_its_session_and_its_cookie_reaches_no_script_and_no_other_site() -> None:
    sessions = Sessions(may_act=True)
    first = sessions.open(VISIT)
    assert first is not None
    [(name, value)] = first.cookie
    assert name == "Set-Cookie"
    assert value.startswith(f"{COOKIE}={first.session_id};")
    assert {"HttpOnly", "SameSite=Lax", "Path=/hpotool"} <= {part.strip() for part in value.split(";")}
    again = sessions.open(replace(VISIT, cookies={COOKIE: first.session_id}))
    assert again == Session(first.session_id, first.token)


def test_a_notice_is_shown_once_to_a_person_and_never_to_a_refresh() -> None:
    sessions = Sessions(may_act=True)
    pressed = press(sessions)
    sessions.leave_notice(pressed, Notice("done"))
    assert sessions.take_notice(replace(pressed, is_refresh=True)) is None
    assert sessions.take_notice(replace(pressed, cookies={COOKIE: "of another browser"})) is None
    assert sessions.take_notice(pressed) == Notice("done")
    assert sessions.take_notice(pressed) is None


def test_notices_that_nobody_fetches_do_not_fill_the_memory() -> None:
    sessions = Sessions(may_act=True)
    for place in range(1_500):
        sessions.leave_notice(replace(VISIT, cookies={COOKIE: str(place)}), Notice("done"))
    assert len(sessions._notices) == 1_000
    assert sessions.take_notice(replace(VISIT, cookies={COOKIE: "1499"})) is not None


def test_the_secret_is_in_no_text() -> None:
    sessions = Sessions(may_act=True)
    assert sessions._secret.hex() not in repr(sessions)
    assert repr(sessions._secret) not in repr(sessions)
