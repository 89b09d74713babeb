"""The grammar of `tracking` and `notify`: where a study is exported to, and what people are told."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from hpotool.study.file.grammar.kinds import BROKEN, DURATION, SIZE, Items, Key, OneOf, Record, Text
from hpotool.study.occasion import OCCASIONS
from hpotool.study.spec import NotifySpec, TrackingSpec
from hpotool.study.yaml.document import Node, Problems


def check_mlflow_address(address: str) -> str:
    """``address`` where MLflow can be reached at it, and it gives no password away.

    Raises:
        ValueError: it is none, or holds a password: a study file and a command line are for everybody to read.
    """
    try:
        parts = urlsplit(address)
        has_password = parts.password is not None
    except ValueError:
        parts, has_password = urlsplit(""), False
    if has_password:
        raise ValueError(
            "an address of MLflow must hold no password; give it to the workers in MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        )
    is_server = parts.scheme in ("http", "https") and parts.hostname
    if (
        is_server
        or address == "databricks"
        or parts.scheme in ("databricks", "sqlite", "postgresql", "mysql", "mssql")
    ):
        return address
    raise ValueError(f"{address!r} is no address of MLflow; write it like http://mlflow.example.org:5000")


def check_wandb_project(address: str) -> str:
    """``address`` where it names a project of W&B: PROJECT, ENTITY/PROJECT, or the URL of a project.

    Raises:
        ValueError: it does not, or it holds a password or an API key.
    """
    try:
        parts = urlsplit(address)
        has_password = "@" in parts.netloc
    except ValueError:
        raise ValueError(f"{address!r} is no project of W&B; write it like digits or my-team/digits") from None
    if has_password:
        raise ValueError("an address of W&B must hold no key; give it to the workers in WANDB_API_KEY")
    is_url = parts.scheme in ("http", "https")
    words = (parts.path if is_url else address).strip("/").split("/")
    words = words[1:] if is_url and len(words) == 3 and words[0] == "wandb" else words  # as on W&B's own pages
    is_named = all(word.strip() and len(word) <= 128 and not _NOT_IN_PROJECT & set(word) for word in words)
    if not is_named or len(words) > 2 or (is_url and (len(words) != 2 or parts.query or parts.fragment)):
        raise ValueError(
            f"{address!r} is no project of W&B; write it like digits, my-team/digits or "
            "https://wandb.example.org/my-team/digits"
        )
    return address


def check_model_name(name: str) -> str:
    """``name`` where MLflow registers a model under it.

    Raises:
        ValueError: it does not.
    """
    if not name.strip() or set(name) & set("/:\"'") or len(name) > 200:
        raise ValueError(
            f"{name!r} cannot be a model's name in MLflow: no / : or quotes, and at most 200 characters"
        )
    return name


_NOT_IN_PROJECT = frozenset("/\\#?%:")


class _Record:
    """A record that is read as a spec of its own, perhaps from a shorter form."""

    def __init__(self, record: Record, spec: type[Any]) -> None:
        self._record = record
        self._spec = spec
        self.keys = record.keys

    def read(self, node: Node, problems: Problems) -> Any:
        values = self._record.read(node, problems)
        if values is BROKEN or any(value is BROKEN for value in values.values()):
            return BROKEN
        return self._spec(**values)

    def write(self, value: Any) -> Any:
        return self._record.write(value)

    def json_schema(self) -> dict[str, Any]:
        return self._record.json_schema()


class _Notify(_Record):
    """``[done, stopped]``, or ``{events: [done, best], best_every: 6h}``."""

    def read(self, node: Node, problems: Problems) -> Any:
        if not isinstance(node.content, list):
            return super().read(node, problems)
        events = _EVENTS.read(node, problems)
        return BROKEN if events is BROKEN or BROKEN in events else self._spec(events)

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [_EVENTS.json_schema(), super().json_schema()]}


_EVENTS = Items(OneOf(tuple(OCCASIONS)), "events, like [done, stopped]")

TRACKING = _Record(
    Record(
        "tracking",
        example="{mlflow: http://mlflow.example.org:5000}",
        keys={
            "mlflow": Key(
                Text("an address of MLflow, like http://mlflow.example.org:5000", check_mlflow_address),
                "the MLflow server that gets every trial",
            ),
            "experiment": Key(Text("the experiment's name"), "the MLflow experiment (the study's name)"),
            "wandb": Key(
                Text("a project of W&B, like my-team/digits", check_wandb_project),
                "the W&B project that gets every trial",
            ),
            "model": Key(
                Text("the name of a model", check_model_name),
                "the registered model of MLflow that gets a version for each final training",
            ),
            "artifacts": Key(
                SIZE, "send the files of final trainings too, up to this much of each (1GB with model)"
            ),
            "tensorboard": Key(Text("a folder"), "the folder that gets every trial for TensorBoard"),
        },
    ),
    TrackingSpec,
)
NOTIFY = _Notify(
    Record(
        "notify",
        example="[done, stopped]",
        keys={
            "events": Key(_EVENTS, "what people are told (everything)"),
            "best_every": Key(DURATION, "a new best trial is told at most once in so long (1h)"),
        },
    ),
    NotifySpec,
)
