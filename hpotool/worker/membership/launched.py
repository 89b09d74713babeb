"""Which launch started this worker, and with which code, as ``hpotool launch`` has put it into its environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hpotool.storage.fleet.code_folder import hash_files


@dataclass(frozen=True)
class Launched:
    """The launch, the worker's place in it, and the code that was launched; None where nobody launched it.

    ``code`` is the hash, ``code_list`` the file that names what was hashed.
    """

    launch_id: str | None = None
    job: str | None = None
    code: str | None = None
    code_list: Path | None = None


def launch_of_process(environment: Mapping[str, str] = os.environ) -> Launched:
    """What the environment says."""
    names = ("HPOTOOL_LAUNCH", "HPOTOOL_JOB", "HPOTOOL_CODE", "HPOTOOL_CODE_LIST")
    launch_id, job, code, code_list = (environment.get(name) or None for name in names)
    return Launched(launch_id, job, code, Path(code_list) if code_list else None)


def changed_code(launched: Launched, folder: Path) -> str | None:
    """A sentence where the code in ``folder`` is not the one that was launched."""
    if launched.code is None or launched.code_list is None:
        return None
    try:
        paths = json.loads(launched.code_list.read_text())
    except (OSError, ValueError) as error:
        return f"what was launched cannot be compared with the code in {folder}: {error}"
    found = hash_files(folder, paths)
    if found == launched.code:
        return None
    return (
        f"the code in {folder} has changed since it was launched: its content is {found}, and was {launched.code}"
    )
