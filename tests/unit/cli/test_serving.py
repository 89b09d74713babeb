"""What the commands that serve pages have in common."""

from __future__ import annotations

import signal

import pytest

from hpotool.cli.serving import LOGIN_VARIABLE, end_on_signals, read_login
from hpotool.errors import InputError


def test_a_login_is_required_only_where_one_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for none in (None, ""):
        if none is None:
            monkeypatch.delenv(LOGIN_VARIABLE, raising=False)
        else:
            monkeypatch.setenv(LOGIN_VARIABLE, none)
        assert read_login() is None
    monkeypatch.setenv(LOGIN_VARIABLE, "ann:se:cret")
    login = read_login()
    assert login is not None
    assert (login.user, login.password) == ("ann", "se:cret")
    monkeypatch.setenv(LOGIN_VARIABLE, "ann")
    with pytest.raises(InputError, match="USER:PASSWORD"):
        read_login()


def test_stop_signals_end_a_server_as_a_success() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        end_on_signals()
        for number in before:
            with pytest.raises(SystemExit) as ended:
                signal.raise_signal(number)
            assert ended.value.code == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
