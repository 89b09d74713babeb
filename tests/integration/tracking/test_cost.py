"""What an export costs the trials, counted on the wire: nothing."""

from pathlib import Path

import pytest

from tests.acceptance.command_line import CommandLine, wait_until
from tests.benchmarks.wire import proxied

OBJECTIVE = """
def objective(trial):
    x = trial.suggest_float("x", -1.0, 1.0)
    for step in range(5):
        trial.report(x * x + step, step)
    return x * x
"""
STUDY = """
study: {name}
objective: {{python: "cost_objective:objective"}}
metrics: {{loss: minimize}}
budget: {{trials: {trials}}}
sampler: random
"""
# No heartbeat and no look at the jobs falls between the trials: those follow the clock, and not the trials.
SLOW_PULSE = {"HPOTOOL_HEARTBEAT_INTERVAL_S": "600", "HPOTOOL_GRACE_PERIOD_S": "3600"}


def round_trips(url: str, folder: Path, trials: int, *, is_exported: bool) -> int:
    """All round trips of one worker's process, from its start to its end; the export goes another way."""
    name = f"s{trials}-{'with' if is_exported else 'without'}"
    text = STUDY.format(name=name, trials=trials)
    if is_exported:
        text += f"tracking: {{tensorboard: {folder / 'runs'}}}\n"
    (folder / f"{name}.yaml").write_text(text)
    variables = {**SLOW_PULSE, "PYTHONPATH": str(folder)}
    direct = CommandLine(url, folder, variables)
    direct.run("create-study", str(folder / f"{name}.yaml"))
    if not is_exported:
        return _work(url, folder, variables, name)
    with direct.start("track", name, "--to", "tensorboard", log=folder / "export") as exporter:
        wait_until(lambda: any(job["by"] for job in direct.json("track", name, "--status")), "it is exported", 120)
        counted = _work(url, folder, variables, name)
        wait_until(lambda: exporter.poll() is not None, "everything is sent", 120)
    [job] = direct.json("track", name, "--status")
    assert (job["arrived"], job["missing"]) == (trials, 0)
    return counted


def _work(url: str, folder: Path, variables: dict[str, str], name: str) -> int:
    with proxied(url) as (there, wire):
        CommandLine(there, folder, variables).run("worker", name, "--gpu", "none")
        return wire.round_trips


@pytest.mark.timeout(600)
def test_a_trial_costs_as_many_round_trips_with_an_export_as_without(
    study_database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "cost_objective.py").write_text(OBJECTIVE)
    few, many = 4, 16
    counted = {
        is_exported: [
            round_trips(study_database_url, tmp_path, trials, is_exported=is_exported) for trials in (few, many)
        ]
        for is_exported in (False, True)
    }
    of_a_trial = {is_exported: (last - first) / (many - few) for is_exported, (first, last) in counted.items()}
    # On a machine that stalls, a read may be repeated; one more statement of every trial would be 1.0.
    assert of_a_trial[True] - of_a_trial[False] < 0.75, counted
