"""Which exceptions and which last words mean that memory ran out."""

from __future__ import annotations

import re

# By name, because importing torch, xgboost, cupy or tensorflow only to compare types would cost seconds.
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


def out_of_memory_reason(error: BaseException) -> str | None:
    """The sentence to store when ``error`` (or what caused it) says that memory ran out, else None."""
    seen: BaseException | None = error
    while seen is not None:
        text = " ".join(str(seen).split())
        name = type(seen).__name__
        if name in _TYPES or _GPU.search(text):
            return f"GPU memory ran out: {name}: {text}"
        if isinstance(seen, MemoryError) or (isinstance(seen, (RuntimeError, OSError)) and _HOST.search(text)):
            return f"memory ran out: {name}: {text}" if text else f"memory ran out: {name}"
        if name == "XGBoostError" and _HOST.search(text):
            return f"memory ran out: {name}: {text}"
        seen = seen.__cause__
    return None


def last_words_of_exhaustion(output: str) -> str | None:
    """The last line of ``output`` that says that memory ran out, or None: for an end without an exception."""
    for line in reversed(output.splitlines()):
        if _GPU.search(line) or _HOST.search(line):
            return line.strip()
    return None
