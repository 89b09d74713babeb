"""``hpotool reap``."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from hpotool.cli.options import StorageOption, StudyOption
from hpotool.cli.output import say
from hpotool.study.wording import count_of


def reap(
    study: StudyOption = None,
    grace: Annotated[
        float | None,
        typer.Option(
            "--grace", metavar="SECONDS", min=1, help="How long to watch [default: the workers' grace period]."
        ),
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Watch the running trials for one grace period, and retry those whose worker is gone.

    Workers do this all the time; use this command for a study without workers.
    """
    from dataclasses import replace
    from datetime import timedelta

    from hpotool.api.actor import current_actor
    from hpotool.cli.database import connect, identify_study
    from hpotool.settings import read_pulse
    from hpotool.storage.control.orders import read_retry_spec
    from hpotool.storage.fleet.attempts import follow_up_of
    from hpotool.study.rules.retry import decide_retry
    from hpotool.worker.membership.reaper import Reaper

    pulse = read_pulse()
    if grace is not None:
        pulse = replace(pulse, grace=timedelta(seconds=grace))
    connection = connect(storage)
    study_id, name = identify_study(connection, study)
    retry = read_retry_spec(connection.run, study_id)
    reaper = Reaper(
        connection.run,
        study_id,
        current_actor(),
        lambda outcome, history: follow_up_of(decide_retry(outcome, history, retry)),
        interval=min(pulse.interval, pulse.grace / 3),
        grace=pulse.grace,
    )
    say(f"watching {name} for {pulse.grace.total_seconds():.0f} s")
    reaped = reaper.look()
    watched_until = time.monotonic() + pulse.grace.total_seconds()
    is_last = False
    while not is_last:
        time.sleep(min(1.0, pulse.grace.total_seconds() / 10))
        is_last = time.monotonic() > watched_until
        reaped += reaper.look()
    say(f"{count_of(reaped, 'lost trial')} found")
