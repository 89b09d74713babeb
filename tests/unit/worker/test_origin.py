"""What a strict study says to a worker with other code or data."""

from hpotool.errors import EXIT_WRONG_INPUT
from hpotool.worker.origin import refusal


def test_a_refusal_lists_every_difference_and_how_to_allow_them() -> None:
    error = refusal(["python is 3.12 here, but was 3.11 when the study was created", "train.csv is not here"])
    first, *differences = error.message.split("\n")
    assert "the study is strict" in first
    assert differences == [
        "python is 3.12 here, but was 3.11 when the study was created",
        "train.csv is not here",
    ]
    assert error.hint is not None
    assert "--set strict=false" in error.hint
    assert error.exit_code == EXIT_WRONG_INPUT
