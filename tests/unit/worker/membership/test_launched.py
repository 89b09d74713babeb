from __future__ import annotations

import json
from pathlib import Path

from hpotool.storage.fleet.code_folder import hash_files
from hpotool.worker.membership.launched import Launched, changed_code, launch_of_process


def test_a_worker_that_nobody_launched_knows_of_nothing(tmp_path: Path) -> None:
    assert launch_of_process({"HPOTOOL_LAUNCH": ""}) == Launched()
    assert changed_code(Launched(), tmp_path) is None


def test_a_worker_compares_the_code_with_what_was_launched(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("x = 1")
    (tmp_path / "code.json").write_text(json.dumps(["train.py"]))
    launched = launch_of_process(
        {
            "HPOTOOL_LAUNCH": "ssh-1",
            "HPOTOOL_JOB": "gpu1/w1",
            "HPOTOOL_CODE": hash_files(tmp_path, ["train.py"]),
            "HPOTOOL_CODE_LIST": str(tmp_path / "code.json"),
        }
    )
    assert (launched.launch_id, launched.job) == ("ssh-1", "gpu1/w1")
    assert changed_code(launched, tmp_path) is None
    (tmp_path / "train.py").write_text("x = 2")
    assert "has changed since it was launched" in str(changed_code(launched, tmp_path))
    (tmp_path / "code.json").unlink()
    assert "cannot be compared" in str(changed_code(launched, tmp_path))
