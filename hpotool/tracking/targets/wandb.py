"""A study in Weights & Biases: a group of runs, one for each trial.

A run's id follows from the trial, and W&B replaces a run that is sent again under its id. Its client says nothing
where a server refuses what is streamed to it, so a run has arrived once the server shows all of it.
With ``WANDB_MODE=offline`` the runs become files, one folder for each, for ``wandb sync``.
"""

from __future__ import annotations

import configparser
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from hpotool.errors import HpotoolError, InputError
from hpotool.tracking.kept_files import CannotSendFilesError
from hpotool.tracking.targets import wandb_run
from hpotool.tracking.targets.target import RefusedByTargetError, TargetAwayError
from hpotool.tracking.targets.wandb_file import wait_until_whole
from hpotool.tracking.tracked_run import Point, TrackedRun

_MOST_OPEN = 64  # trials that are shown while they run; W&B's client holds each in memory
_BEGIN_S, _END_S = 30, 60  # for a run to be made, and for its upload at the end
_SHOWN_AFTER_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)  # looks at what the server has: it may show it a little later
# What an error of W&B's client means can be told by its words alone. A key can be corrected, a server come back.
_NOT_LET_IN = ("not logged in", "401", "403", "nauthorized", "ermission denied", "API key", "api_key")
_AWAY = (
    *_NOT_LET_IN,
    "imed out",
    "retrying",
    "did not respond",
    "unreachable",
    "ancelled",
    "service process",
    "teardown",
)
_MARK = ".hpotool"  # in a run's folder: what was written there
_SETTINGS = {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false", "WANDB_DISABLE_GIT": "true"}
# They name one run, as for the script that a person or a sweep starts. Here there are many.
_OF_ONE_RUN = (
    "WANDB_RUN_ID", "WANDB_RESUME", "WANDB_SWEEP_ID", "WANDB_RUN_GROUP", "WANDB_JOB_TYPE", "WANDB_NAME",
    "WANDB_NOTES", "WANDB_TAGS", "WANDB_SERVICE",
)  # fmt: skip
_UNNAMED_ERRORS = (
    ("wandb.sdk.mailbox", "HandleAbandonedError"),
    ("wandb.sdk.mailbox", "MailboxClosedError"),
    ("wandb.sdk.mailbox.mailbox_handle", "ServerResponseError"),
    ("wandb.sdk.lib.asyncio_manager", "AlreadyJoinedError"),
    ("wandb.sdk.lib.service.service_connection", "WandbApiFailedError"),
    ("wandb.sdk.lib.service.service_token", "WandbServiceConnectionError"),
)
_PAGES = ("wandb.ai", "forge.coreweave.com")  # W&B's own, whose servers have the same names after `api.`
_HOW_TO_LOG_IN = "export WANDB_API_KEY=... for every worker, or log in once with: wandb login"
_logger = logging.getLogger(__name__)


@dataclass
class _Open:
    """A run that was begun, and the rows that it was sent, by step."""

    run: Any  # wandb.Run
    folder: Path
    rows: dict[int, dict[str, float]] = field(default_factory=dict)

    def log(self, run: TrackedRun) -> None:
        """Send the rows that are new; W&B takes more of the last step, and none of one before."""
        for step, row in wandb_run.rows_of(run).items():
            if not self.rows or step >= max(self.rows):
                if repr(self.rows.get(step)) != repr(row):
                    self.run.log(dict(row), step=step)
                self.rows[step] = row

    def is_beginning_of(self, run: TrackedRun) -> bool:
        """Whether what was sent is what the whole begins with."""
        whole = wandb_run.rows_of(run)
        last = max(self.rows, default=-1)
        return repr(self.rows) == repr({step: row for step, row in whole.items() if step <= last})


class WandbTarget:
    """The runs of one study in one project of W&B."""

    def __init__(self, address: str, most_bytes: int = 0) -> None:
        self._wandb = _import_wandb()
        self._place = Place.parse(address)
        self._is_offline = is_offline()
        self._root = Path(os.environ.get("WANDB_DIR") or ".").expanduser().absolute() / "wandb"
        # It goes with this object, however that ends.
        self._scratch = tempfile.TemporaryDirectory(prefix="hpotool-wandb-", ignore_cleanup_errors=True)
        self._most_bytes = most_bytes
        self._job_id = ""
        self._api: Any = None
        self._opened: dict[int, _Open] = {}  # of trials that run
        self._stuck: set[int] = set()  # the client holds the ids of runs that it could not begin

    def open(self, study: TrackedRun, job_id: str) -> None:
        """Ask the server who we are; the project is made with its first run."""
        self._job_id = job_id
        with self._errors():
            if self._is_offline:
                self._root.mkdir(parents=True, exist_ok=True)
            else:
                self._api = connect(self._place, _BEGIN_S)

    def send(self, run: TrackedRun) -> None:
        """Send one trial: while it runs, what is new of it; once it is over, all of it."""
        if run.number in self._stuck:
            self.forget()
        with self._errors():
            if self._is_offline:
                self._write(run)
            elif run.status == "RUNNING":
                self._send_running(run)
            else:
                self._finish(run)
                self._check(run)

    def send_study(self, study: TrackedRun, points: tuple[Point, ...]) -> None:
        """Send nothing: in W&B a study is the group of its trials."""

    def forget(self) -> None:
        """Begin anew, with a client that knows of no run: the one before may be waiting for its server."""
        self._opened.clear()
        self._stuck.clear()
        self._api = None
        with suppress(*_client_errors(), OSError):
            self._wandb.teardown()

    def close(self) -> None:
        """Leave trials that still run as interrupted, not as finished: another exporter continues them."""
        for opened in self._opened.values():
            with suppress(*_client_errors(), OSError):
                opened.run.mark_preempting()
                opened.run.finish(exit_code=1)
        self._opened.clear()
        self._scratch.cleanup()

    def _send_running(self, run: TrackedRun) -> None:
        number = _number_of(run)
        if number not in self._opened:
            if len(self._opened) >= _MOST_OPEN:
                return  # it is shown once it is over
            self._opened[number] = self._begin(run)
        self._opened[number].log(run)

    def _finish(self, run: TrackedRun) -> None:
        """End the run that was begun while the trial ran; begin anew where there is none, or it lacks a row."""
        opened = self._opened.pop(_number_of(run), None)
        if opened is not None and not opened.is_beginning_of(run):
            opened.run.finish()
            shutil.rmtree(opened.folder, ignore_errors=True)
            opened = None
        opened = opened or self._begin(run)
        self._stuck.add(_number_of(run))
        _complete(opened, run, self._send_files(opened, run))
        self._stuck.discard(_number_of(run))
        shutil.rmtree(opened.folder, ignore_errors=True)

    def _send_files(self, opened: _Open, run: TrackedRun) -> dict[str, str]:
        """Send what a final training kept, as a model; what there is to say where that cannot be sent."""
        if run.kept is None or not self._most_bytes:
            return {}
        try:
            with run.kept.at_hand(self._most_bytes) as files:
                model = self._wandb.Artifact(wandb_run.artifact_name(run), "model", metadata=dict(run.tags))
                for name, path in files:
                    model.add_file(str(path), name)
                opened.run.log_artifact(model, aliases=["final"]).wait(_END_S)
        except CannotSendFilesError as error:
            _logger.warning("the files of trial %s are left out: %s", run.number, error.message)
            return {"artifacts_left_out": error.message}
        return {}

    def _check(self, run: TrackedRun) -> None:
        """Look whether the server has it: its client says nothing of what a server refuses."""
        mark = wandb_run.fingerprint(run)
        for wait_s in _SHOWN_AFTER_S:
            time.sleep(wait_s)
            if self._read_mark(run) == mark:
                return
        raise RefusedByTargetError(f"W&B made the run, but does not show all that was sent of {run.name}")

    def _read_mark(self, run: TrackedRun) -> str | None:
        self._api = self._api or connect(self._place, _BEGIN_S)
        self._api.flush()
        try:
            own = wandb_run.run_id(self._job_id, run)
            found = self._api.run(f"{self._entity}/{self._place.project}/{own}")
        except self._wandb.errors.CommError as error:
            if "Could not find run" not in str(error):
                raise
            return None
        mark = found.summary.get(wandb_run.SENT)
        return None if mark is None else str(mark)

    def _write(self, run: TrackedRun) -> None:
        """Write the run's folder, unless the same is there. It is whole from the moment it has its name."""
        if run.status == "RUNNING":
            return  # a file cannot be taken back
        own, mark = wandb_run.run_id(self._job_id, run), wandb_run.fingerprint(run)
        folder = self._root / f"offline-run-{run.started:%Y%m%d_%H%M%S}-{own}"
        with suppress(FileNotFoundError):
            if (folder / _MARK).read_text() == mark:
                return
        opened = self._begin(run)
        _complete(opened, run, {"artifacts_left_out": "WANDB_MODE is offline"} if run.kept else {})
        [made] = (opened.folder / "wandb").glob("offline-run-*")
        wait_until_whole(made / f"run-{own}.wandb", _END_S)
        (made / _MARK).write_text(mark)
        shutil.rmtree(folder, ignore_errors=True)
        beside = folder.with_name(f".{folder.name}.writing")
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(made, beside)
        beside.rename(folder)
        shutil.rmtree(opened.folder, ignore_errors=True)

    @property
    def _entity(self) -> str:
        return self._place.entity or str(self._api.default_entity)

    def _begin(self, run: TrackedRun) -> _Open:
        """Make the run, or replace what it was."""
        self._stuck.add(_number_of(run))
        folder = Path(tempfile.mkdtemp(dir=self._scratch.name))
        begun = self._wandb.init(
            entity=self._place.entity,
            project=self._place.project,
            id=wandb_run.run_id(self._job_id, run),
            name=run.name,
            group=wandb_run.group_of(run),
            job_type="trial",
            config=wandb_run.config_of(run),
            tags=wandb_run.labels_of(run),
            notes=run.note or None,
            dir=str(folder),
            mode="offline" if self._is_offline else "online",
            reinit="create_new",
            settings=self._settings(),
        )
        self._stuck.discard(_number_of(run))
        return _Open(begun, folder)

    def _settings(self) -> Any:
        """Of this machine W&B is told nothing: the trial ran on another one."""
        server = {"base_url": self._place.server} if self._place.server else {}
        wanted = {
            "console": "off",
            "silent": True,
            "save_code": False,
            "disable_git": True,
            "disable_code": True,
            "x_disable_stats": True,
            "x_disable_meta": True,
            "x_disable_machine_info": True,
            "x_save_requirements": False,
            "x_transaction_log_flush_interval": 0.1,
            "init_timeout": _BEGIN_S,
            "finish_timeout": _END_S,
            "finish_timeout_raises": True,
            **server,
        }
        known = self._wandb.Settings.model_fields  # some came with later versions
        return self._wandb.Settings(**{name: value for name, value in wanted.items() if name in known})

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Whatever W&B's client raises inside comes out as one of a target's two errors."""
        try:
            yield
        except HpotoolError:
            raise
        except _client_errors() as error:
            reason = " ".join(str(error).split())[:500]
            is_answer = isinstance(error, self._wandb.errors.CommError)
            if is_answer and not any(sign in reason for sign in _AWAY):
                raise RefusedByTargetError(f"W&B refused: {reason}") from error
            raise TargetAwayError(f"W&B at {self._place.name} does not answer well: {reason}") from error
        except OSError as error:
            raise TargetAwayError(f"W&B at {self._place.name} cannot be used: {error}") from error


@dataclass(frozen=True)
class Place:
    """A project of W&B. Of ``entity`` and ``server`` None means what the login says."""

    project: str
    entity: str | None = None
    server: str | None = None

    @classmethod
    def parse(cls, address: str) -> Place:
        """Read what `check_wandb_project` takes: PROJECT, ENTITY/PROJECT, or a project's URL."""
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https"):
            *entity, project = address.strip("/").split("/")
            return cls(project, entity[0] if entity else None)
        entity_name, project = parts.path.strip("/").split("/")[-2:]
        host = f"api.{parts.netloc}" if parts.netloc in _PAGES else parts.netloc
        return cls(project, entity_name, f"{parts.scheme}://{host}")

    @property
    def name(self) -> str:
        """Which server that is, in messages."""
        return self.server or os.environ.get("WANDB_BASE_URL") or _server_of_login() or f"https://api.{_PAGES[0]}"


def _server_of_login() -> str | None:
    """The server that ``wandb login --host`` has kept."""
    folder = Path(os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb").expanduser()
    kept = configparser.ConfigParser(interpolation=None)
    with suppress(OSError, configparser.Error, UnicodeDecodeError):
        kept.read(folder / "settings")
    return kept.get("default", "base_url", fallback=None)


def is_offline() -> bool:
    """Whether runs become files for ``wandb sync``."""
    return os.environ.get("WANDB_MODE", "").lower() in ("offline", "dryrun")


def connect(place: Place, timeout_s: int) -> Any:
    """W&B's client for reading, logged in.

    Raises:
        InputError: there is no API key, or the server does not know it.
        Exception: as W&B's client raises it, where its server does not answer.
    """
    module = _import_wandb()
    overrides = {"base_url": place.server} if place.server else {}
    try:
        api = module.Api(overrides=overrides, timeout=timeout_s)
        entity = api.default_entity
    except (module.errors.UsageError, module.errors.AuthenticationError) as error:
        reason = " ".join(str(error).split())[:300]
        if not any(sign in reason for sign in _NOT_LET_IN):
            raise
        raise InputError(f"W&B at {place.name} does not let us in: {reason}", _HOW_TO_LOG_IN) from error
    if not (place.entity or entity):
        raise InputError("W&B does not say whose project it is", f"name its team too: TEAM/{place.project}")
    return api


def _complete(opened: _Open, run: TrackedRun, more: Mapping[str, str] = MappingProxyType({})) -> None:
    """Send the rest, and wait until the client says that it is there."""
    opened.log(run)
    config = wandb_run.config_of(run)
    opened.run.config.update({**config, "hpotool": {**config["hpotool"], **more}}, allow_val_change=True)
    opened.run.summary.update(wandb_run.summary_of(run))
    opened.run.finish(exit_code=wandb_run.exit_code_of(run))


def _number_of(run: TrackedRun) -> int:
    assert run.number is not None
    return run.number


def _import_wandb() -> Any:
    for name in _OF_ONE_RUN:
        os.environ.pop(name, None)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import wandb
    except ImportError:
        raise _not_installed() from None
    if not hasattr(wandb, "init"):  # the folder `wandb` of somebody's runs, which Python takes for a package
        raise _not_installed()
    return wandb


def _not_installed() -> InputError:
    return InputError("W&B is not installed here", "pip install 'hpotool[wandb]'")


def _client_errors() -> tuple[type[BaseException], ...]:
    """All that W&B's client raises: its own errors, and those of its process that is gone or does not answer.

    The second kind has no public name, and may have another one in another version.
    """
    found: list[type[BaseException]] = [_import_wandb().Error, TimeoutError, ValueError]
    for module, name in _UNNAMED_ERRORS:
        with suppress(ImportError, AttributeError):
            found.append(getattr(import_module(module), name))
    return tuple(found)
