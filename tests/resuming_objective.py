"""The PyTorch example with 30 epochs, which ends badly once, right after reporting the seventeenth."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import objectives.pytorch_digits as digits

digits.EPOCHS = 30


def die(trial: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wait(trial: Any) -> None:
    trial.set_user_attr("waiting", True)
    time.sleep(3600)


ENDINGS = {"die": die, "wait": wait}


def objective(trial: Any) -> float:
    report = trial.report
    marker = Path(os.environ["ENDS_ONCE"])

    def report_and_end(value: float, step: int) -> None:
        report(value, step)
        if step == 16 and not marker.exists():
            marker.touch()
            ENDINGS[os.environ["ENDING"]](trial)

    trial.report = report_and_end
    return digits.objective(trial)
