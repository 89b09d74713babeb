"""``hpotool schema``."""

from __future__ import annotations

import json
import sys


def schema() -> None:
    """Write the JSON schema of a study file, for editors that complete and check it."""
    from hpotool.study.file.grammar import json_schema

    sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
