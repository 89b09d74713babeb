import io
from typing import Any

from rich.console import Console

from hpotool.cli.commands.look.show import _describe_scale, _draw
from hpotool.study.wording import count_of

BRANCH = {
    "source": 36,
    "predecessor": 37,
    "steps": 21,
    "tier": None,
    "explored": {"lr": [0.0326487, 0.0391784], "dropout": [0.1, 0.2]},
}
TRIAL: dict[str, Any] = {
    "number": 40,
    "state": "COMPLETE",
    "outcome": "complete",
    "started": "2026-11-25T18:25:09.465904+00:00",
    "ended": None,
    "duration_s": 7.558,
    "lineage": [12],
    "values": {"loss": 0.25},
    "params": {f"a_parameter_{number}": number / 7 for number in range(10)},
    "system_attributes": {"failed_trial": 12, "retry_history": [12]},
    "reports": {},
    "attempts": [],
    "branch": BRANCH,
    "ancestry": [36, 28],
}


def shown(trial: dict[str, Any], width: int) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(_draw(trial))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def test_a_trial_is_a_list_of_names_and_values() -> None:
    text = shown(TRIAL, 80)
    assert max(map(len, text.splitlines())) <= 80
    for line in (
        "trial        40",
        "took         7.6 s",
        "retry of     trial 12",
        "comes from   trial 36, in the place of trial 37, up to step 21",
        "explored     lr: 0.03265 -> 0.03918, dropout: 0.1 -> 0.2",
        "ancestry     36 <- 28",
    ):
        assert f"{line}\n" in text, line
    assert "started      2026-11-2" in text
    assert "failed_trial" not in text


def test_a_scale_and_a_count_are_words() -> None:
    assert _describe_scale({"parameter": "lr", "log": True}) == {"parameter": "lr", "scale": "log"}
    assert _describe_scale({"parameter": "lr", "log": False}) == {"parameter": "lr"}
    assert (count_of(1, "worker"), count_of(2, "worker")) == ("1 worker", "2 workers")
