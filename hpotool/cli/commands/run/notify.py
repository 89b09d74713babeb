"""``hpotool notify``."""

from __future__ import annotations

import os
from datetime import timezone
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.options import StorageOption, StudyOption
from hpotool.cli.output import Answer, Format, say, show
from hpotool.errors import EXIT_DONE, EXIT_FAILED

if TYPE_CHECKING:
    from hpotool.storage.tracking.notices import Notice
    from hpotool.tracking.notify.send import Sender


def notify(
    study: StudyOption = None,
    test: Annotated[
        bool, typer.Option("--test", help="Send a test to each address, and say which ones accepted it.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Check once, send what is due, then exit.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep running after the study is over, in case it continues.")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="Show the study's notifications; send nothing.")] = False,
    storage: StorageOption = None,
    format: Annotated[
        Format, typer.Option("--format", metavar="FORMAT", help="With --list: table, json, csv, yaml or value.")
    ] = Format.TABLE,
    holder: Annotated[str | None, typer.Option(hidden=True)] = None,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> int:
    """Notify people of events in a study until it is over, by mail, chat or webhook, as HPOTOOL_NOTIFY says.

    Workers that have HPOTOOL_NOTIFY do so too. Run this command as well if all of them may vanish at once.
    """
    if test:
        return _test()
    from hpotool.cli.database import adopt_study, connect
    from hpotool.tracking.tenure import JobTakenError, end_with_parent

    connection = connect(storage)
    study_id, _ = adopt_study(connection, study)
    if list_:
        _show_notices(connection, study_id, format)
        return EXIT_DONE
    if parent is not None:
        end_with_parent(parent)
    try:
        return _watch(connection, study_id, "sent" if once else "told" if follow else "over", holder)
    except JobTakenError:
        if holder is None:
            raise
        return EXIT_DONE  # another worker was faster


def _watch(connection: Any, study_id: int, until: Any, holder: str | None) -> int:
    import logging

    from hpotool.api.actor import current_actor
    from hpotool.settings import read_pulse
    from hpotool.storage.tracking.jobs import Job
    from hpotool.tracking.notify.notifier import JOB_NAME, Notifier
    from hpotool.tracking.tenure import Tenure, leaving_on_signals

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    sender = _sender()
    job = Job(study_id, JOB_NAME, holder or f"{current_actor()} (process {os.getpid()})")
    grace = read_pulse().grace
    with leaving_on_signals() as leaving, Tenure(connection.run, job, grace) as tenure:
        Notifier(connection.run, job, sender, grace, leaving, tenure.is_lost).watch(until)
    return EXIT_DONE


def _test() -> int:
    from hpotool.api.actor import current_actor
    from hpotool.tracking.notify.addresses import describe_address

    sender = _sender()
    taken = []
    for place, address in enumerate(sender.addresses, 1):
        taken.append(sender.send(address, "hpotool can reach you", f"a test by {current_actor()}"))
        say(f"address {place} ({describe_address(address)}) {'accepted it' if taken[-1] else 'did not accept it'}")
    return EXIT_DONE if all(taken) else EXIT_FAILED


def _sender() -> Sender:
    from hpotool.tracking.notify.addresses import read_addresses
    from hpotool.tracking.notify.send import Sender

    return Sender(read_addresses())


def _show_notices(connection: Any, study_id: int, format: Format) -> None:
    from hpotool.storage.tracking.notices import list_notices

    rows = [_as_data(notice) for notice in list_notices(connection.run, study_id)]
    value = "\n".join(f"{row['noticed']} {row['title']}" for row in rows)
    show(Answer(data=rows, rows=rows, value=value, empty="the study has no notifications"), format)


def _as_data(notice: Notice) -> dict[str, Any]:
    noticed, sent = (
        each and each.astimezone(timezone.utc).isoformat(timespec="seconds")
        for each in (notice.noticed_at, notice.sent_at)
    )
    return {
        "noticed": noticed,
        "event": notice.occasion,
        "title": notice.title,
        "body": notice.body,
        "sent": sent,
        "tries": notice.tries,
        "trouble": notice.trouble,
    }
