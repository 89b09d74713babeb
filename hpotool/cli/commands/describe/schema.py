"""``hpotool schema``."""

from __future__ import annotations

import json
import sys


def schema() -> None:
    """Print the JSON schema of study files, for completion and checks in editors."""
    from hpotool.study.file.grammar.study import json_schema

    sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
