"""Recognizes exceptions and last lines of output that mean that memory ran out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from hpotool.study.doors import kind_of

_CAUSE = BaseException.__dict__["__cause__"]  # not an override in a class of the objective's
_LONGEST_TEXT = 100_000  # characters of an exception to search
# Matched by name, because importing torch, xgboost, cupy or tensorflow to compare types would take seconds.
_TYPES = frozenset({"OutOfMemoryError", "ResourceExhaustedError", "CUDAOutOfMemoryError"})
_GPU = re.compile(
    r"CUDA out of memory|HIP out of memory|MPS backend out of memory|cudaErrorMemoryAllocation"
    r"|CUDA_ERROR_OUT_OF_MEMORY|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED|CUDA error: out of memory"
    r"|RESOURCE_EXHAUSTED|Memory allocation error on worker .*cuda|cudaMalloc",
    re.IGNORECASE,
)
_HOST = re.compile(
    r"DefaultCPUAllocator: (can't|not enough)|std::bad_alloc|Cannot allocate memory|Unable to allocate .*iB"
    r"|out of memory|failed to allocate memory",
    re.IGNORECASE,
)


def out_of_memory_reason(error: BaseException, read: Callable[[BaseException], str] = str) -> str | None:
    """A sentence to store if ``error`` or one of its causes says that memory ran out, else None.

    ``read`` returns an exception's text.
    """
    for seen in _with_causes(error):
        text = " ".join(read(seen)[:_LONGEST_TEXT].split())
        name = kind_of(seen)
        if name in _TYPES or _GPU.search(text):
            return f"GPU memory ran out: {name}: {text}"
        kind = type(seen)
        if issubclass(kind, MemoryError) or (issubclass(kind, (RuntimeError, OSError)) and _HOST.search(text)):
            return f"memory ran out: {name}: {text}" if text else f"memory ran out: {name}"
        if name == "XGBoostError" and _HOST.search(text):
            return f"memory ran out: {name}: {text}"
    return None


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, each once, because an error may have been raised from itself."""
    known: set[int] = set()
    seen: BaseException | None = error
    while isinstance(seen, BaseException) and id(seen) not in known:
        known.add(id(seen))
        yield seen
        seen = _CAUSE.__get__(seen)


def last_words_of_exhaustion(output: str) -> str | None:
    """The last line of ``output`` that says that memory ran out, or None; for ends without an exception."""
    for line in reversed(output.splitlines()):
        if _GPU.search(line) or _HOST.search(line):
            return line.strip()
    return None
