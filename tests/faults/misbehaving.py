"""Objectives, samplers and places that break at the wrong moment; ``TEST_FOLDER`` is the fleet's folder."""

from __future__ import annotations

import builtins
import os
import time
from pathlib import Path
from typing import Any

import optuna
from fsspec.implementations.local import LocalFileSystem

from tests.faults.objectives import append

FOLDER = Path(os.environ.get("TEST_FOLDER", "."))


def square(trial: optuna.Trial) -> float:
    append("began", f"{trial.number}\n")
    return float(trial.suggest_float("x", 0.0, 1.0)) ** 2


def returns_at_once(trial: optuna.Trial) -> float:
    append("returned", f"{trial.number} 0.5\n")
    return 0.5


def waits(trial: optuna.Trial) -> float:
    append("began", f"{trial.number}\n")
    while not trial.should_stop():
        time.sleep(0.02)
    raise RuntimeError("asked to stop")


def outlasts_the_next(trial: optuna.Trial) -> float:
    """Run until the next trial runs too, so that some trial runs at any time; if none comes, for five seconds."""
    (FOLDER / f"runs-{trial.number}").touch()
    until = time.monotonic() + 5.0
    time.sleep(0.3)
    while not (FOLDER / f"runs-{trial.number + 1}").exists() and time.monotonic() < until:
        time.sleep(0.02)
    return float(trial.suggest_float("x", 0.0, 1.0))


def waits_for_a_file(trial: optuna.Trial) -> float:
    append("began", f"{trial.number}\n")
    while not (FOLDER / "go").exists():
        time.sleep(0.02)
    return 1.0


def fails_on_a_bad_host(trial: optuna.Trial) -> float:
    """Succeeds elsewhere, from the fifteenth trial on when the test says so."""
    append("began", f"{trial.number}\n")
    if os.environ["TEST_HOST"] == "bad" and not (FOLDER / "mended").exists():
        raise RuntimeError("CUDA error: unspecified launch failure")
    while trial.number >= 15 and not (FOLDER / "go").exists():
        time.sleep(0.02)
    return float(trial.suggest_float("y", 0, 1))


def breaks_its_gpu(trial: optuna.Trial) -> float:
    """Its third trial fails once, after the test's driver has broken; on a lost device it waits for ever."""
    append("began", f"{trial.number}\n")
    if trial.number == 2:
        while not (FOLDER / "broken").exists() or (FOLDER / "hangs").exists():
            time.sleep(0.02)
        raise RuntimeError("CUDA error: uncorrectable ECC error encountered")
    return float(trial.suggest_float("y", 0, 1))


def stops_the_study(trial: optuna.Trial) -> float:
    if trial.number == 3:
        trial.study.stop()
    return float(trial.number)


def fills_memory(trial: optuna.Trial) -> float:
    raise MemoryError(f"trial {trial.number}")


def measures_load(trial: optuna.Trial) -> dict[str, float]:
    trial.set_user_attr("ran", True)
    return {"value": -100.0, "load": 9.0}


def two_levels(trial: optuna.Trial) -> float:
    a = trial.suggest_int("a", 0, 1)
    return float(trial.suggest_int("b", 0, 2) if a else a)


class BreaksNow(optuna.samplers.RandomSampler):
    """Raises in one place of its life, in the trials whose numbers ``TEST_BREAKS`` lists."""

    def __init__(
        self, place: str = "before_trial", every: int = 2, seed: int | None = None, error: str = "RuntimeError"
    ) -> None:
        super().__init__(seed)
        self.place, self.every, self.error = place, every, error

    def _maybe(self, place: str, number: int) -> None:
        if place == self.place and number % self.every == 0:
            raise getattr(builtins, self.error)(f"broken in {place}\nof trial {number}")

    def before_trial(self, study: Any, trial: Any) -> None:
        self._maybe("before_trial", trial.number)

    def sample_independent(self, study: Any, trial: Any, name: Any, distribution: Any) -> Any:
        self._maybe("sample_independent", trial.number)
        return super().sample_independent(study, trial, name, distribution)

    def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
        self._maybe("after_trial", trial.number)


class UnreachableError(Exception):
    """What a client of an object store raises: no OSError."""


class BrokenPlace(LocalFileSystem):
    """An object store that can be read, and not written to."""

    protocol = "broken"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return LocalFileSystem._strip_protocol(str(path).removeprefix("broken://"))

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        raise UnreachableError("endpoint is away")
