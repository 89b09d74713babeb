from typing import Any

import pytest

from hpotool.worker.process.memory_errors import last_words_of_exhaustion, out_of_memory_reason


def named(name: str, base: type[BaseException] = Exception) -> Any:
    return type(name, (base,), {})


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "memory ran out: MemoryError"),
        (MemoryError("of\n  the list"), "memory ran out: MemoryError: of the list"),
        (OSError(12, "Cannot allocate memory"), "memory ran out: OSError: [Errno 12] Cannot allocate memory"),
        (RuntimeError("std::bad_alloc"), "memory ran out: RuntimeError: std::bad_alloc"),
        (RuntimeError("CUDA out of memory."), "GPU memory ran out: RuntimeError: CUDA out of memory."),
        (named("OutOfMemoryError")("on device 0"), "GPU memory ran out: OutOfMemoryError: on device 0"),
        (named("XGBoostError", ValueError)("std::bad_alloc"), "memory ran out: XGBoostError: std::bad_alloc"),
        (named("Own", ValueError)("RESOURCE_EXHAUSTED: x"), "GPU memory ran out: Own: RESOURCE_EXHAUSTED: x"),
    ],
)  # fmt: skip
def test_an_exception_that_says_so_means_that_memory_ran_out(error: BaseException, reason: str) -> None:
    assert out_of_memory_reason(error) == reason


@pytest.mark.parametrize(
    "error",
    [
        ValueError("out of memory of words"),
        RuntimeError("shape mismatch"),
        KeyError("CUDA"),
        OSError(28, "No space left"),
    ],
)
def test_other_exceptions_do_not(error: BaseException) -> None:
    assert out_of_memory_reason(error) is None


def test_what_caused_it_counts_however_deep() -> None:
    error = ValueError("trial failed")
    error.__cause__ = KeyError("x")
    error.__cause__.__cause__ = MemoryError("8 GiB")
    assert out_of_memory_reason(error) == "memory ran out: MemoryError: 8 GiB"


def test_an_error_raised_from_itself_comes_to_an_end() -> None:
    error, other = ValueError("a"), ValueError("b")
    error.__cause__, other.__cause__ = other, error
    assert out_of_memory_reason(error) is None


def test_a_class_that_lies_about_its_cause_is_not_asked() -> None:
    class LyingError(Exception):
        __cause__ = property(lambda self: self)  # type: ignore[assignment]

    assert out_of_memory_reason(LyingError("x")) is None


def test_no_more_than_so_much_text_is_searched() -> None:
    assert out_of_memory_reason(RuntimeError("x" * 100_000 + "CUDA out of memory")) is None


def test_the_last_line_that_says_so_is_it() -> None:
    output = "  std::bad_alloc  \nCUDA error: out of memory\nterminate called\n"
    assert last_words_of_exhaustion(output) == "CUDA error: out of memory"
    assert last_words_of_exhaustion("all is well\n") is None
    assert last_words_of_exhaustion("") is None
