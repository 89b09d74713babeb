import pytest

from hpotool.errors import InputError
from hpotool.study.spec import TrackingSpec
from hpotool.tracking.targets.open import Destination, TrackerName, choose_destination, destinations_of

STORED = TrackingSpec("http://stored:5000", "digits", "runs", "ann/digits")


def test_a_study_goes_wherever_its_file_says() -> None:
    assert [each.job for each in destinations_of(STORED)] == [
        "mlflow http://stored:5000 digits",
        "tensorboard runs",
        "wandb ann/digits",
    ]
    assert destinations_of(TrackingSpec()) == []


@pytest.mark.parametrize(
    ("tracker", "address", "stored", "expected"),
    [
        ("mlflow", "http://said:1", STORED, Destination("mlflow", "http://said:1")),
        ("mlflow", None, STORED, Destination("mlflow", "http://stored:5000", "digits")),
        ("mlflow", None, TrackingSpec(), Destination("mlflow", "http://variable:5000")),
        ("tensorboard", None, STORED, Destination("tensorboard", "runs")),
        ("tensorboard", "other", STORED, Destination("tensorboard", "other")),
        ("wandb", None, STORED, Destination("wandb", "ann/digits")),
        ("wandb", None, TrackingSpec(), Destination("wandb", "eve/letters")),
        ("wandb", "https://wandb.ai/a/b", STORED, Destination("wandb", "https://wandb.ai/a/b")),
    ],
)
def test_what_is_said_comes_before_what_is_stored(
    tracker: TrackerName, address: str | None, stored: TrackingSpec, expected: Destination,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://variable:5000")
    monkeypatch.setenv("WANDB_ENTITY", "eve")
    monkeypatch.setenv("WANDB_PROJECT", "letters")
    assert choose_destination(tracker, address, None, stored) == expected


@pytest.mark.parametrize("tracker", ["mlflow", "tensorboard", "wandb"])
def test_a_place_that_nothing_names_is_asked_for(tracker: TrackerName, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match=f"says where {tracker} is"):
        choose_destination(tracker, None, None, TrackingSpec())


def test_a_password_is_not_taken_from_a_command_line() -> None:
    with pytest.raises(InputError, match="must hold no password") as raised:
        choose_destination("mlflow", "http://ann:secret@mlflow:5000", None, TrackingSpec())
    assert "secret" not in str(raised.value)
    with pytest.raises(InputError, match="must hold no key") as raised:
        choose_destination("wandb", "https://secret@wandb.ai/ann/digits", None, TrackingSpec())
    assert "secret" not in str(raised.value)
