"""How an export ends: in a sentence, with what goes on with it, and an exit code that scripts rely on."""

from __future__ import annotations

import pytest

from hpotool.cli.commands.run.track import Tracker, _as_data, _say_end
from hpotool.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED
from hpotool.storage.tracking.jobs import JobRecord
from hpotool.tracking.exporter import Sent


@pytest.mark.parametrize(
    ("sent", "is_person", "code", "said"),
    [
        (Sent(1, (), "done"), False, EXIT_DONE, ["1 trial sent to mlflow"]),
        (Sent(0, (), "done"), False, EXIT_DONE, ["0 trials sent to mlflow"]),
        (
            Sent(7, (3, 5), "done"),
            False,
            EXIT_FAILED,
            ["mlflow permanently refused 2 of my study's trials: 3, 5", "7 trials sent to mlflow"],
        ),
        (
            Sent(7, (), "told"),
            True,
            EXIT_INTERRUPTED,
            [
                "7 trials sent to mlflow; continue with: hpotool track --study 'my study' --to mlflow --address http://x"
            ],
        ),
        (
            Sent(7, (), "told"),
            False,
            EXIT_DONE,
            [
                "7 trials sent to mlflow; continue with: hpotool track --study 'my study' --to mlflow --address http://x"
            ],
        ),
        (Sent(7, (), "taken"), False, EXIT_DONE, ["7 trials sent to mlflow; another process continues"]),
        (Sent(7, (), "deleted"), False, EXIT_FAILED, ["7 trials sent to mlflow; the study no longer exists"]),
    ],
)
def test_each_end_has_its_sentence_and_code(
    sent: Sent, is_person: bool, code: int, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--to", "mlflow", "--address", "http://x"]
    assert _say_end(sent, "my study", Tracker.MLFLOW, words, is_person=is_person) == code
    assert capsys.readouterr().err.splitlines() == said


def test_the_data_of_an_export_is_plain() -> None:
    job = JobRecord("mlflow http://x", "me@here", 12, (3,), 4, "timed out", 12.34)
    assert _as_data(job) == {
        "to": "mlflow http://x", "arrived": 12, "missing": 4, "refused": [3], "by": "me@here",
        "trouble": "timed out", "trouble_s": 12.3,
    }  # fmt: skip
    assert _as_data(JobRecord("tensorboard runs", None, 0, (), 0, None, None))["trouble_s"] is None
