"""The environment that attempts run in: Python and its packages, CPU, GPUs and their driver, container image."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from hpotool.study.origins.content import Part

IMAGE = "HPOTOOL_IMAGE"  # a container cannot find out its image's name: its manifest or Dockerfile sets this
_PASSWORD = re.compile("://[^/@]*@")
_CPUINFO = Path("/proc/cpuinfo")


def read_environment(gpus: Sequence[str] = (), driver: str | None = None) -> dict[str, Any]:
    """Python, the machine's kind, and the version of every package that is installed."""
    installed = {one.metadata["Name"]: one for one in distributions() if one.metadata["Name"]}
    packages = {name: one.version for name, one in installed.items()}
    direct = {name: url for name, one in installed.items() if (url := _direct_url(one))}
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": f"{os.cpu_count()} x {_cpu_model()}",
        "packages": dict(sorted(packages.items(), key=lambda item: item[0].lower())),
    }
    more = {"gpus": list(gpus), "driver": driver, "image": os.environ.get(IMAGE), "direct": direct}
    return {**found, **{name: value for name, value in more.items() if value}}


def environment_part(gpus: Sequence[str] = (), driver: str | None = None) -> Part:
    """The environment as a part of an origin."""
    return Part("environment", read_environment(gpus, driver))


def _direct_url(one: Distribution) -> str | None:
    """Where a package was installed from, if not from an index (PEP 610); a password in it is left out."""
    try:
        found = json.loads(one.read_text("direct_url.json") or "null")
        url = _PASSWORD.sub("://", str(found["url"]))
        version = found.get("vcs_info")
        return f"{version['vcs']}+{url}@{version['commit_id']}" if version else url
    except (ValueError, KeyError, TypeError):  # no such file, or not as the standard says
        return None


def _cpu_model(cpuinfo: Path = _CPUINFO) -> str:
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields: Mapping[str, str] = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines) if value
    }
    return fields.get("model name") or platform.machine()
