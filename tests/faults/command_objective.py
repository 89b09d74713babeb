"""The objective of the fault tests as a command: ``X TRIAL``; it reports as any program does."""

import json
import os
import sys
import time

from tests.faults.objectives import STEP_S, append, break_if_planned


def main() -> None:
    """Report four steps, note what is returned, and print it."""
    x, trial = float(sys.argv[1]), sys.argv[2]
    for step in range(4):
        print(json.dumps({"step": step, "value": x + step}), flush=True)  # noqa: T201
        break_if_planned(step)
        time.sleep(float(os.environ.get("TEST_STEP_S", STEP_S)))
    append("returned", f"{trial} {x!r}\n")
    print(json.dumps({"value": x}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
