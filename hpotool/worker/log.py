"""The log of a worker on stderr: one line per event, as text for people or as JSON for machines."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Literal

from hpotool.study.doors import visible, visible_lines

LogFormat = Literal["text", "json"]

logger = logging.getLogger("hpotool")


def set_up_logging(format: LogFormat, label: str = "") -> None:
    """Send hpotool's log to stderr, with ``label`` before each line of text. Optuna's own log is redundant."""
    import optuna

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _JsonFormatter() if format == "json" else _TextFormatter(f"%(asctime)s {label}%(message)s", "%H:%M:%S")
    )
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # The objective's process already logs this warning in the attempt's log.
    warnings.filterwarnings("ignore", message="Choices for a categorical distribution", category=UserWarning)


def log_event(event: str, message: str, level: int = logging.INFO, **fields: Any) -> None:
    """Log ``message``; in JSON, ``event`` and ``fields`` have the same information in structured form."""
    logger.log(level, message, extra={"fields": {"event": event, **fields}})


class _TextFormatter(logging.Formatter):
    """Formats one line per event, with control characters escaped; tracebacks keep their lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        record.message = visible(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 (logging's name)
        return visible_lines(super().formatException(ei))


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: Mapping[str, Any] = getattr(record, "fields", {})
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **fields,
        }
        return json.dumps(line, default=str)
