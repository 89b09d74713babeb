import pytest

from hpotool.errors import InputError
from hpotool.tracking.notify.send import Sender, fingerprint

pytest.importorskip("apprise")


def test_an_address_that_nobody_knows_is_said_without_its_secret() -> None:
    with pytest.raises(InputError, match=r"address 2 \(nonsense://…\) is none that apprise knows") as raised:
        Sender(["json://localhost/", "nonsense://secret"])
    assert "secret" not in str(raised.value)


def test_no_address_is_asked_for() -> None:
    with pytest.raises(InputError, match="nothing says where notices go"):
        Sender([])


def test_a_target_that_is_down_is_a_false_and_no_error() -> None:
    sender = Sender(["json://127.0.0.1:9/"])
    assert sender.send(sender.addresses[0], "title", "body") is False


def test_what_stands_for_an_address_says_nothing_about_it() -> None:
    one, other = fingerprint("json://a", "salt"), fingerprint("json://b", "salt")
    assert one != other
    assert one == fingerprint("json://a", "salt")
    assert one != fingerprint("json://a", "another")
    assert "json" not in one
