"""Whether the trackers that a study names can be used from here: asked before hours of trials, not after them.

Nothing is written there, no tracker's library is imported, and no question takes longer than a few seconds.
"""

from __future__ import annotations

import base64
import json
import netrc
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hpotool.study.spec import TrackingSpec
from hpotool.tracking.targets.open import Destination, destinations_of
from hpotool.tracking.targets.wandb import Place, is_offline

_TIMEOUT_S = 5.0
_PACKAGES = {"mlflow": "mlflow", "tensorboard": "tensorboardX", "wandb": "wandb"}
_OWN_SERVERS = ("api.wandb.ai", "api.forge.coreweave.com")
_MLFLOW_LOGIN = "export MLFLOW_TRACKING_USERNAME=... MLFLOW_TRACKING_PASSWORD=..., or MLFLOW_TRACKING_TOKEN=..."
_WANDB_LOGIN = "export WANDB_API_KEY=..., or log in once with: wandb login"
_STARTED = "start it, or correct the address in tracking; trials run without it, and are sent later"


@dataclass(frozen=True)
class Reached:
    """A tracker, and what is in its way; ``trouble`` is empty where it can be used."""

    tracker: str
    address: str
    trouble: str = ""
    hint: str = ""

    @property
    def sentence(self) -> str:
        """How it is with the tracker."""
        return f"{self.tracker} {self.address}: {self.trouble or 'it can be used'}"


class _TroubleError(Exception):
    """What is in a tracker's way, and what to do about it."""


def try_trackers(tracking: TrackingSpec, timeout_s: float = _TIMEOUT_S) -> list[Reached]:
    """Ask every tracker that the study names."""
    return [_try(destination, timeout_s) for destination in destinations_of(tracking)]


def _try(destination: Destination, timeout_s: float) -> Reached:
    tracker, address = destination.tracker, destination.address
    try:
        if not _is_installed(_PACKAGES[tracker]):
            raise _TroubleError("its library is not installed here", f"pip install 'hpotool[{tracker}]'")
        _ASK[tracker](address, timeout_s)
    except _TroubleError as error:
        trouble, hint = error.args
        return Reached(tracker, address, trouble, hint)
    return Reached(tracker, address)


def _is_installed(package: str) -> bool:
    """Whether there is such a package; a mere folder of that name, like that of W&B's runs, has no origin."""
    found = find_spec(package)
    return found is not None and found.origin is not None


def _ask_mlflow(address: str, timeout_s: float) -> None:
    parts = urlsplit(address)
    if parts.scheme == "sqlite":
        _check_folder(Path(address.removeprefix("sqlite:///")).parent)
    if parts.scheme not in ("http", "https"):
        return  # a database or Databricks, which only MLflow's own library can ask
    headers = {}
    token, name = os.environ.get("MLFLOW_TRACKING_TOKEN"), os.environ.get("MLFLOW_TRACKING_USERNAME")
    if name:
        headers = _basic(name, os.environ.get("MLFLOW_TRACKING_PASSWORD", ""))
    elif token:
        headers = {"Authorization": f"Bearer {token}"}
    url = f"{address.rstrip('/')}/api/2.0/mlflow/experiments/search"
    answer = _post(url, {"max_results": 1}, headers, timeout_s, _MLFLOW_LOGIN)
    if not isinstance(answer, dict) or "error_code" in answer:
        raise _TroubleError("what answers there is not MLflow", _STARTED)


def _ask_wandb(address: str, timeout_s: float) -> None:
    if is_offline():
        return _check_folder(Path(os.environ.get("WANDB_DIR") or "."))
    server = Place.parse(address).name.rstrip("/")
    key = os.environ.get("WANDB_API_KEY") or _key_of_login(server)
    if not key:
        raise _TroubleError("there is no API key here", _WANDB_LOGIN)
    question = {"query": "query Viewer { viewer { id entity } }"}
    answer = _post(f"{server}/graphql", question, _basic("api", key), timeout_s, _WANDB_LOGIN)
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), dict):
        raise _TroubleError("what answers there is not W&B", _STARTED)
    if not answer["data"].get("viewer"):
        raise _TroubleError("it does not know the API key", _WANDB_LOGIN)
    return None


def _ask_tensorboard(folder: str, _timeout_s: float) -> None:
    _check_folder(Path(folder).expanduser())


_ASK: dict[str, Callable[[str, float], None]] = {
    "mlflow": _ask_mlflow,
    "tensorboard": _ask_tensorboard,
    "wandb": _ask_wandb,
}


def _check_folder(folder: Path) -> None:
    """That the folder can be written, or made."""
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise _TroubleError(f"{folder} cannot be written here", f"mkdir -p {folder}, or name another folder")


def _post(url: str, question: Any, headers: Mapping[str, str], timeout_s: float, login: str) -> Any:
    words = {"Content-Type": "application/json", "User-Agent": "hpotool", **headers}
    request = urllib.request.Request(url, json.dumps(question).encode(), words)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s, context=_tls(url)) as answer:
            return json.loads(answer.read(1_000_000))
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise _TroubleError(f"it does not let us in ({error.code})", login) from error
        raise _TroubleError(f"it answers with {error.code}", _STARTED) from error
    except urllib.error.URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise _TroubleError(f"it does not answer: {reason}", _STARTED) from error
    except (OSError, HTTPException) as error:
        raise _TroubleError(f"it does not answer: {error}", _STARTED) from error
    except ValueError:  # no JSON, as of another program's page
        return None


def _tls(url: str) -> ssl.SSLContext | None:
    """What the client trusts too: MLflow's own variables, else the system's certificates."""
    if not url.startswith("https://"):
        return None
    bundle = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or os.environ.get("REQUESTS_CA_BUNDLE")
    context = ssl.create_default_context(cafile=bundle if bundle and Path(bundle).is_file() else None)
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() == "true":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def _key_of_login(server: str) -> str | None:
    """The key that ``wandb login`` has kept; W&B's own server has two names."""
    host = urlsplit(server).hostname or ""
    hosts = _OWN_SERVERS if host in _OWN_SERVERS else (host,)
    try:
        kept = netrc.netrc(os.environ.get("NETRC") or None)
    except (OSError, netrc.NetrcParseError):
        return None
    return next((found[2] for each in hosts if (found := kept.hosts.get(each))), None)
