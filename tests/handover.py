"""What an objective may come up with: generated actions on its trial and ways to end, each with what must follow.

A case is its number. The objective of a case does its actions, notes in the folder that HANDOVER_NOTES names what
was accepted, and ends; tests compare that with what is stored.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import json
import math
import os
import pickle
import random
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna

NOTES = "HANDOVER_NOTES"
REFUSED = object()


class Color(enum.Enum):
    RED = 1


class Named(str, enum.Enum):
    RED = "red"


class HostileText(str):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __len__(self) -> int:
        return -1

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    __hash__ = str.__hash__

    def encode(self, *_: object) -> bytes:  # type: ignore[override]
        raise RuntimeError("no bytes")


class HostileInteger(int):
    def __int__(self) -> int:
        raise RuntimeError("no integer")

    def __repr__(self) -> str:
        return "lies"

    def bit_length(self) -> int:
        raise RuntimeError("no bits")


class HostileFloat(float):
    def __repr__(self) -> str:
        return "1 2 3"


class HostileDict(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        raise RuntimeError("no items")

    def __iter__(self) -> Any:
        return iter(["something", "else"])


class HostileList(list):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        raise RuntimeError("no parts")


class Unspeakable:
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("no class")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Pretender:
    __class__ = str  # type: ignore[assignment]


def _circle() -> list[Any]:
    circle: list[Any] = []
    circle.extend([circle, circle])
    return circle


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


# Made anew for each use: (what is handed over, what reads back).
VALUES: list[Callable[[], tuple[Any, Any]]] = [
    lambda: (None, None),
    lambda: (True, True),
    lambda: (-0.0, -0.0),
    lambda: (math.nan, math.nan),
    lambda: (math.inf, math.inf),
    lambda: (5e-324, 5e-324),
    lambda: (2**63, 2**63),
    lambda: (-(10**399), -(10**399)),
    lambda: (10**5000, REFUSED),
    lambda: ("", ""),
    lambda: ("a\0b\ud800\x1b[31m\u202e", "a\0b\ud800\x1b[31m\u202e"),
    lambda: ("ß" * 100_000, "ß" * 100_000),
    lambda: ("x" * (5 << 20), REFUSED),
    lambda: (b"bytes", REFUSED),
    lambda: (1j, REFUSED),
    lambda: ({1, 2}, REFUSED),
    lambda: (object(), REFUSED),
    lambda: (range(3), REFUSED),
    lambda: (Path("a"), REFUSED),
    lambda: (datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc), REFUSED),
    lambda: (datetime.timedelta(1), REFUSED),
    lambda: (threading.Lock(), REFUSED),
    lambda: (Color.RED, REFUSED),
    lambda: (Named.RED, "red"),
    lambda: (decimal.Decimal("1.5"), 1.5),
    lambda: (decimal.Decimal("sNaN"), REFUSED),
    lambda: (decimal.Decimal("1e999"), REFUSED),
    lambda: (fractions.Fraction(1, 4), 0.25),
    lambda: (fractions.Fraction(10**400), REFUSED),
    lambda: (np.float32(0.5), 0.5),
    lambda: (np.float64("nan"), math.nan),
    lambda: (np.int64(-3), -3),
    lambda: (np.uint64(2**64 - 1), 2**64 - 1),
    lambda: (np.bool_(True), True),
    lambda: (np.array(7), 7),
    lambda: (np.str_("text"), "text"),
    lambda: (np.array([1, 2]), REFUSED),
    lambda: (np.datetime64("2026-01-01"), REFUSED),
    lambda: ((1, (2, [3])), [1, [2, [3]]]),
    lambda: ({2: "a", None: 2, True: 3, 0.5: 4}, {"2": "a", "null": 2, "true": 3, "0.5": 4}),
    lambda: ({np.int64(1): 1}, {"1": 1}),
    lambda: ({1: "a", "1": "b"}, REFUSED),
    lambda: ({(1, 2): "a"}, REFUSED),
    lambda: ({"deep": {"er": [datetime.date(2026, 1, 1)]}}, REFUSED),
    lambda: (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    lambda: (_nested(90), _nested(90)),
    lambda: (_nested(5_000), REFUSED),
    lambda: (_circle(), REFUSED),
    lambda: (HostileText("text"), "text"),
    lambda: (HostileInteger(3), 3),
    lambda: (HostileFloat(0.25), 0.25),
    lambda: (HostileDict(a=1), {"a": 1}),
    lambda: (HostileList([1, 2]), [1, 2]),
    lambda: (Unspeakable(), REFUSED),
    lambda: (Pretender(), REFUSED),
    lambda: (iter([1]), REFUSED),
    lambda: (len, REFUSED),
]

NAMES: list[Any] = [
    "a", "b", "ünï", "😀", "", " ",
    "x" * 512, "x" * 513, "x" * 10_000, "nul\0", "lone\ud800", "\x1b[31m", "a\nb", "%s",
    "{a}", "'; drop table trials; --", "constraints:a", "hpotool:branch", 5, None, True, b"a", ("a",), Named.RED,
    HostileText("hostile"), np.str_("numpy"), Color.RED,
]  # fmt: skip

STEPS: list[tuple[Any, Any]] = [
    (0, 0), (1, 1), (2**31 - 1, 2**31 - 1), (2**31, REFUSED), (10**5000, REFUSED), (-1, REFUSED), (True, 1),
    (2.0, 2), (2.5, 2), (math.nan, REFUSED), (math.inf, REFUSED), ("3", 3), ("x", REFUSED), (None, REFUSED),
    (np.int64(4), 4), (np.float32(5), 5), (decimal.Decimal(6), 6), ([1], REFUSED), (HostileFloat(7.0), 7),
]  # fmt: skip

NUMBERS: list[tuple[Any, Any]] = [
    (0.5, 0.5), (-0.0, -0.0), (math.nan, math.nan), (-math.inf, -math.inf), (True, 1.0), ("0.25", 0.25),
    ("x", REFUSED), (None, REFUSED), (10**400, REFUSED), (2**60, 2.0**60),
    (np.float32(0.5), 0.5), (decimal.Decimal("0.1"), 0.1),
    (fractions.Fraction(1, 3), 1 / 3), ([1.0], REFUSED), (1j, REFUSED), (HostileFloat(3.0), 3.0),
    ({"loss": 2}, 2.0),
    ({}, REFUSED),
]  # fmt: skip


class NoTextError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Quitting(BaseException):
    pass


class DisguisedError(Exception):
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("no class")


class LongNameError(Exception):
    pass


LongNameError.__name__ = "L" * 10_000


def _raise(error: BaseException) -> Any:
    raise error


def _raise_from_itself() -> Any:
    error = ValueError("its own cause")
    raise error from error


def _raise_with_broken_output() -> Any:
    sys.stderr = None  # type: ignore[assignment]
    raise ValueError("nobody hears it")


def _raise_group() -> Any:
    if sys.version_info < (3, 11):
        raise ValueError("several")
    raise ExceptionGroup("several", [ValueError("a\ud800"), KeyError(1)])  # noqa: F821


def _generator() -> Any:
    yield 1.0


# (how it ends, outcome, values)
ENDINGS: list[tuple[Callable[[], Any], str, Any]] = [
    (lambda: 0.5, "complete", [0.5]),
    (lambda: -0.0, "complete", [-0.0]),
    (lambda: True, "complete", [1.0]),
    (lambda: math.inf, "complete", [math.inf]),
    (lambda: math.nan, "nan", None),
    (lambda: decimal.Decimal("NaN"), "nan", None),
    (lambda: np.float32(0.5), "complete", [0.5]),
    (lambda: np.array(3), "complete", [3.0]),
    (lambda: [1.0], "complete", [1.0]),
    (lambda: [1.0, 2.0], "error", None),
    (lambda: range(10**12), "error", None),
    (lambda: 10**400, "error", None),
    (lambda: 10**5000, "error", None),
    (lambda: 1j, "error", None),
    (lambda: "0.5", "error", None),
    (lambda: bytearray(b"0.5"), "error", None),
    (lambda: memoryview(b"0.5"), "error", None),
    (lambda: None, "error", None),
    (dict, "error", None),
    (lambda: {"x" * 1_000_000: 1}, "error", None),
    (lambda: {f"name{number}": 1 for number in range(10_000)}, "error", None),
    (lambda: {"loss": "0.5"}, "error", None),
    (lambda: _generator(), "error", None),
    (lambda: _circle(), "error", None),
    (lambda: object(), "error", None),
    (lambda: Unspeakable(), "error", None),
    (lambda: HostileList([1.0]), "error", None),
    (lambda: HostileFloat(2.0), "complete", [2.0]),
    (lambda: _raise(ValueError("cannot read na\udcefve.wav")), "error", None),
    (lambda: _raise(ValueError("a\0b\x1b[31m")), "error", None),
    (lambda: _raise(ValueError("x" * (10 << 20))), "error", None),
    (lambda: _raise(ValueError("\n\u2028\x85 ")), "error", None),
    (lambda: _raise(ValueError(Unspeakable())), "error", None),
    (lambda: _raise(NoTextError()), "error", None),
    (lambda: _raise(DisguisedError("x")), "error", None),
    (lambda: _raise(LongNameError("x")), "error", None),
    (lambda: _raise(Quitting("x")), "error", None),
    (lambda: _raise(GeneratorExit()), "error", None),
    (lambda: _raise(KeyboardInterrupt()), "error", None),
    (lambda: _raise(StopIteration()), "error", None),
    (lambda: _raise(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")), "error", None),
    (lambda: _raise(optuna.TrialPruned()), "pruned", None),
    (lambda: _raise(optuna.TrialPruned("\ud800\0" * 5000)), "pruned", None),
    (lambda: _raise(optuna.TrialPruned(Unspeakable())), "pruned", None),
    (_raise_from_itself, "error", None),
    (_raise_with_broken_output, "error", None),
    (_raise_group, "error", None),
    (lambda: sys.exit(), "error", None),
    (lambda: sys.exit(0), "error", None),
    (lambda: sys.exit(10**5000), "error", None),
    (lambda: sys.exit("\ud800\0"), "error", None),
    (lambda: sys.exit(Unspeakable()), "error", None),  # type: ignore[arg-type]
]


@dataclass
class Accepted:
    """What a case handed over and nobody refused; ``outcome`` and ``values`` are how it must end."""

    user_attrs: dict[str, Any] = field(default_factory=dict)
    reports: dict[int, float] = field(default_factory=dict)
    constraints: dict[str, float] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    outcome: str = ""
    values: list[float] | None = None
    left_out: int = 0


class Case:
    """The case of a number: some actions on a trial, then an end."""

    def __init__(self, number: int, *, fails: bool = True) -> None:
        """``fails``: whether it may end in failure."""
        self.accepted = Accepted()
        self._number = number
        self._random = random.Random(f"handover {number}")
        self._fails = fails
        self._kinds: list[Callable[[Any], None]] = [
            self._set_attribute, self._set_attribute, self._report, self._report, self._constrain, self._suggest,
            self._set_in_thread, self._set_system_attribute, self._print,
        ]  # fmt: skip

    def run(self, trial: Any) -> Any:
        """Do the actions, note what was accepted, and end."""
        trial.suggest_float("x", 0, 1)
        self.accepted.params["x"] = trial.params["x"]
        for _ in range(self._random.randint(1, 5)):
            self._random.choice(self._kinds)(trial)
        end = self._choose_end()
        if NOTES in os.environ:
            (Path(os.environ[NOTES]) / f"{trial.number}.pickle").write_bytes(pickle.dumps(self.accepted))
        return end()

    def _choose_end(self) -> Callable[[], Any]:
        chosen = [one for one in ENDINGS if self._fails or one[1] in ("complete", "pruned")]
        end, self.accepted.outcome, self.accepted.values = self._random.choice(chosen)
        if self.accepted.outcome != "complete" or self._random.random() < 0.5:
            return end
        extra: dict[Any, Any] = {}
        for _ in range(self._random.randint(1, 3)):
            name, (value, expected) = self._name(), self._value()
            if name in extra:
                continue
            extra[name] = value
            if _is_name(name) and expected is not REFUSED:
                self.accepted.user_attrs[str.__str__(name)] = expected
            else:
                self.accepted.left_out += 1
        self.accepted.values = [0.5]
        return lambda: {**extra, "loss": 0.5}

    def _attempt(self, is_fine: bool, call: Callable[[], Any]) -> bool:
        """Whether the call was accepted; it must be exactly when it is fine, and the refusal must say why."""
        refusal: Exception | None = None
        try:
            call()
        except Exception as error:  # noqa: BLE001 (a hostile value may raise anything)
            refusal = error
        assert is_fine == (refusal is None), f"accepted or refused, and should not be: {refusal}"
        if refusal is not None:
            assert str(refusal), "a refusal without a word"
            assert len(str(refusal)) < 1_000
        return refusal is None

    def _set_attribute(self, trial: Any) -> None:
        name, (value, expected) = self._name(), self._value()
        if self._attempt(_is_name(name) and expected is not REFUSED, lambda: trial.set_user_attr(name, value)):
            self.accepted.user_attrs[str.__str__(name)] = expected
            assert same(trial.user_attrs[str.__str__(name)], expected)

    def _set_in_thread(self, trial: Any) -> None:
        failures: list[BaseException] = []

        def set_it() -> None:
            try:
                self._set_attribute(trial)
                trial.set_user_attr(threading.current_thread().name, 1)
            except BaseException as error:  # noqa: BLE001 (raised again below)
                failures.append(error)

        threads = [threading.Thread(target=set_it, name=f"thread {number}") for number in range(3)]
        for thread in threads:  # one after the other: the generator has an order
            thread.start()
            thread.join()
            self.accepted.user_attrs[thread.name] = 1
        if failures:
            raise failures[0]

    def _report(self, trial: Any) -> None:
        step, expected_step = self._random.choice(STEPS)
        value, expected = self._random.choice(NUMBERS)
        is_fine = expected_step is not REFUSED and expected is not REFUSED
        if self._attempt(is_fine, lambda: trial.report(value, step)):
            self.accepted.reports.setdefault(expected_step, expected)

    def _constrain(self, trial: Any) -> None:
        name = self._name()
        value, expected = self._random.choice(NUMBERS)
        is_fine = expected is not REFUSED and not isinstance(value, dict) and not math.isnan(expected)
        is_fine = is_fine and _is_name(name, 512 - len("constraints:"))
        if self._attempt(is_fine, lambda: trial.set_constraint(name, value)):
            self.accepted.constraints.setdefault(str.__str__(name), expected)

    def _suggest(self, trial: Any) -> None:
        name = self._name()
        if _is_name(name, 500):  # of its own: Optuna knows one list of choices for a name in the whole study
            name = f"{self._number} {len(self.accepted.params)} {str.__str__(name)}"
        elif _is_name(name):
            return
        values = [self._value() for _ in range(3)]
        is_fine = _is_name(name) and all(expected is not REFUSED for _, expected in values)
        # Optuna itself compares choices: what cannot be compared cannot be a choice.
        if any(
            type(value) in (HostileText, np.ndarray, Pretender) or _is_huge(expected) for value, expected in values
        ):
            return
        suggested: list[Any] = []
        if self._attempt(
            is_fine, lambda: suggested.append(trial.suggest_categorical(name, [value for value, _ in values]))
        ):
            index = next(number for number, (value, _) in enumerate(values) if value is suggested[0])
            self.accepted.params[str.__str__(name)] = values[index][1]

    def _set_system_attribute(self, trial: Any) -> None:
        key = self._random.choice(
            ["cma:optimizer:0", "failed_trial", "hpotool:branch", "fixed_params", "retry_history"]
        )
        self._attempt(False, lambda: trial.storage.set_trial_system_attr(trial._trial_id, key, "80049500"))

    def _print(self, trial: Any) -> None:
        if sys.stdout is not None:
            sys.stdout.write("a\0b\x1b[31m\ud800\r\n" if self._random.random() < 0.5 else "\u202e\u2028 line\n")

    def _name(self) -> Any:
        return self._random.choice(NAMES)

    def _value(self) -> tuple[Any, Any]:
        if self._random.random() < 0.7:
            return self._random.choice(VALUES)()
        value = self._json(3)
        return value, json.loads(json.dumps(value))

    def _json(self, depth: int) -> Any:
        draw = self._random.randint(0, 7 if depth else 5)
        if draw == 6:
            return [self._json(depth - 1) for _ in range(self._random.randint(0, 3))]
        if draw == 7:
            return {self._word(): self._json(depth - 1) for _ in range(self._random.randint(0, 3))}
        return [
            None, self._random.random() < 0.5, self._random.randint(-(2**70), 2**70),
            self._random.uniform(-1e300, 1e300), self._word(), self._random.random(),
        ][draw]  # fmt: skip

    def _word(self) -> str:
        return "".join(
            chr(self._random.choice([self._random.randint(0, 0x7F), self._random.randint(0, 0x10FFFF)]))
            for _ in range(4)
        )


def _is_name(name: Any, longest: int = 512) -> bool:
    if not issubclass(type(name), str):
        return False
    text = str.__str__(name)
    return len(list(text)) <= longest and "\0" not in text and not any("\ud800" <= one <= "\udfff" for one in text)


def _is_huge(value: Any) -> bool:
    return isinstance(value, int) and abs(value) > 10**300


def same(one: Any, other: Any) -> bool:
    """Equal in type and value: nan is nan, and -0.0 is not 0.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def objective(trial: Any) -> Any:
    """The case of the trial's number; two of three may fail, so that a worker sees that it is not the cause."""
    return Case(trial.number, fails=trial.number % 3 != 0).run(trial)


def obeyed(trial: Any) -> float:
    """Prints, names and raises what a terminal would obey."""
    sys.stdout.write("\x1b]0;own\x07\x1b[31mred\x1b[0m\r\n")
    trial.suggest_categorical("na\x1b[31mme", ["\x1b[2J"])
    trial.set_user_attr("\x1b[1m", "\x1b]0;own\x07")
    trial.set_constraint("\x9b31m", -1)
    raise ValueError("\x1b]0;own\x07\u202e")
