"""The settings of this machine, from HPOTOOL_* environment variables, the config file, or defaults, in that order.

Environment variables
    HPOTOOL_STORAGE     URL of the Postgres database
    HPOTOOL_CONFIG      path of the config file (YAML; default: ``config.yaml`` in the user's config folder)
    HPOTOOL_HOME        folder of the embedded Postgres and all other files kept on this machine
    HPOTOOL_HEARTBEAT_INTERVAL_S, HPOTOOL_GRACE_PERIOD_S
                        seconds between two heartbeats of a worker, and seconds of silence after which it is lost;
                        must be the same for all workers of a study
    HPOTOOL_GPU_FOLDER  where the workers of this machine promise each other memory of a GPU (/tmp/hpotool-gpus)
    HPOTOOL_LOG_LIMIT, HPOTOOL_LOGS_LIMIT
                        maximum size of one attempt's log, and of all logs of a study on this machine
"""

from __future__ import annotations

import errno
import os
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from hpotool.errors import InputError, quote_path

HEARTBEAT_INTERVAL = timedelta(seconds=10)
GRACE_PERIOD = timedelta(seconds=30)

_SHORTEST_S, _LONGEST_S = 0.001, 366 * 86_400.0  # of a pulse
_HINT = "write one line: storage: postgresql://USER:PASSWORD@HOST:5432/DATABASE"
_CONFIG_KEYS = frozenset({"storage"})


@dataclass(frozen=True)
class Pulse:
    """The heartbeat interval of a worker, and the silence after which others consider it lost."""

    interval: timedelta = HEARTBEAT_INTERVAL
    grace: timedelta = GRACE_PERIOD


def home_folder() -> Path:
    """The folder for all files that hpotool keeps on this machine."""
    import platformdirs

    return Path(os.environ.get("HPOTOOL_HOME") or platformdirs.user_data_dir("hpotool", appauthor=False))


def writable_home_folder() -> Path:
    """The home folder, made where it was not there. A full disk is none of the reasons to refuse it.

    Raises:
        InputError: it cannot be made or written to.
    """
    home = home_folder()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"hpotool's folder on this machine cannot be written to: {error}",
                "export HPOTOOL_HOME=/a/folder/of/your/own",
            ) from error
    return home


def study_folder_name(study: str) -> str:
    """A folder name unique to this study; for any study name, it never leads to a parent folder."""
    name = quote(study, safe="")
    return name.replace(".", "%2E") if set(name) <= {"."} else name


def config_file() -> Path:
    """The config file's path, whether it exists or not."""
    import platformdirs

    named = os.environ.get("HPOTOOL_CONFIG")
    return Path(named) if named else Path(platformdirs.user_config_dir("hpotool", appauthor=False)) / "config.yaml"


def configured_storage(option: str | None = None) -> str | None:
    """The database's URL: the option, else HPOTOOL_STORAGE, else the config file's, else None.

    Raises:
        InputError: the config file is not a mapping, or has a key that does not exist.
    """
    return option or os.environ.get("HPOTOOL_STORAGE") or _read_config(config_file()).get("storage") or None


def read_pulse() -> Pulse:
    """The current heartbeat interval and grace period.

    Raises:
        InputError: one is not a positive number, or the grace period is shorter than two intervals.
    """
    interval = _seconds("HPOTOOL_HEARTBEAT_INTERVAL_S", HEARTBEAT_INTERVAL)
    grace = _seconds("HPOTOOL_GRACE_PERIOD_S", GRACE_PERIOD)
    if grace < 2 * interval:
        raise InputError(
            f"a grace period of {grace.total_seconds():.15g} s is shorter than two heartbeat intervals "
            f"of {interval.total_seconds():.15g} s",
            "set HPOTOOL_GRACE_PERIOD_S to three times HPOTOOL_HEARTBEAT_INTERVAL_S",
        )
    return Pulse(interval, grace)


def _seconds(name: str, default: timedelta) -> timedelta:
    text = os.environ.get(name)
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not _SHORTEST_S <= seconds <= _LONGEST_S:
        raise InputError(f"{name} is {text!r}, not a number of seconds", f"set it like {name}=10, or unset it")
    return timedelta(seconds=seconds)


def _read_config(path: Path) -> dict[str, str]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        if os.environ.get("HPOTOOL_CONFIG"):
            raise InputError(
                f"the config file {path} does not exist", "unset HPOTOOL_CONFIG, or create it"
            ) from None
        return {}
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # ValueError: no text, or no such date
        reason = " ".join(str(error).split())
        hint = f"ls -ld {quote_path(path)}" if isinstance(error, OSError) else _HINT
        raise InputError(f"the config file {path} cannot be read: {reason}", hint) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"the config file {path} is not a mapping", _HINT)
    unknown = sorted(str(key) for key in content if key not in _CONFIG_KEYS)
    if unknown:
        raise InputError(
            f"the config file {path} has an unknown key: {', '.join(unknown)}",
            f"known keys: {', '.join(sorted(_CONFIG_KEYS))}",
        )
    if not isinstance(content.get("storage"), str | None):
        raise InputError(f"the config file {path} has a storage that is no URL", _HINT)
    return content
