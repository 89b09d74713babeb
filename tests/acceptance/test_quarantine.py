"""``hpotool quarantine`` as a person uses it."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.command_line import CommandLine

STUDY = """
study: s
objective: {python: objectives.quadratic:objective}
metrics: {loss: minimize}
search_space: {x: {float: [0, 1]}}
budget: {trials: 3}
"""


def test_hosts_and_devices_are_added_listed_and_lifted_by_hand(hpotool: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(STUDY)
    hpotool.run("create-study", str(file))
    assert "nothing is in quarantine" in hpotool.run("quarantine", "s").stderr

    said = hpotool.run("quarantine", "s", "--add", "gpu7", "--for", "2h", "--reason", "its fan is broken").stderr
    assert "gpu7 takes no more trials of s; workers there: 0." in said
    assert "hpotool retry --study s --where host=gpu7" in said
    hpotool.run("quarantine", "s", "--add", "GPU-5b1d-7f")
    assert "gpu7 is in quarantine already" in hpotool.run("quarantine", "s", "--add", "gpu7", code=2).stderr

    device, host = hpotool.json("quarantine", "s")
    assert (host["place"], host["reason"], host["is_open"]) == ("gpu7", "its fan is broken", True)
    assert (device["place"], device["device"], device["host"]) == ("GPU-5b1d-7f", "GPU-5b1d-7f", "unknown")
    table = hpotool.run("quarantine", "s").stdout
    assert "quarantined" in table
    assert "its fan is broken" in table
    assert hpotool.run("quarantine", "s", "--format", "value").stdout.split() == ["GPU-5b1d-7f", "gpu7"]

    wrong = hpotool.run("quarantine", "s", "--lift", "gpu8", code=3).stderr
    assert "gpu8 is not in quarantine; in quarantine: GPU-5b1d-7f, gpu7" in wrong
    assert "GPU-5b1d-7f takes trials of s again" in hpotool.run("quarantine", "s", "--lift", "GPU-5b").stderr
    assert "gpu7 takes trials of s again" in hpotool.run("quarantine", "s", "--lift", "all").stderr
    assert "nothing was in quarantine" in hpotool.run("quarantine", "s", "--lift", "all").stderr
    assert hpotool.json("quarantine", "s") == []
    assert [each["is_open"] for each in hpotool.json("quarantine", "s", "--past")] == [False, False]
    events = hpotool.run("events", "s").stdout
    assert "quarantined" in events
    assert "lifted" in events


def test_what_makes_no_sense_is_refused(hpotool: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(STUDY)
    hpotool.run("create-study", str(file))
    for words, sentence in (
        (["--add", "a", "--lift", "b"], "--add and --lift cannot go together"),
        (["--add", "a", "--for", "2"], "--for '2' is not a duration"),
        (["--reason", "x"], "--add is missing"),
    ):
        assert sentence in hpotool.run("quarantine", "s", *words, code=2).stderr
