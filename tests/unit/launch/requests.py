"""A request for the tests of what targets make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hpotool.launch.code import Code
from hpotool.launch.request import Request

CODE = Code(Path("/home/me/my code"), ("train.py",), "0123456789abcdef")
VARIABLES = {"HPOTOOL_STORAGE": "postgresql://me:s3cret@10.0.0.5/hpotool", "HPOTOOL_GRACE_PERIOD_S": "30"}


def request(target: str, **changes: Any) -> Request:
    known: dict[str, Any] = {
        "launch_id": f"{target}-0a1b2c",
        "target": target,
        "study": "my model/2",
        "workers": 3,
        "gpus": 1,
        "hpotool": "/opt/env/bin/hpotool",
        "code": str(CODE.folder),
        "code_hash": CODE.hash,
    }
    return Request(**(known | changes))
