"""``hpotool quota``: what the owners of studies may use."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpotool.cli.command import Command, Group
from hpotool.cli.options import FormatOption, StorageOption
from hpotool.cli.output import Answer, Format, say, show
from hpotool.errors import NotFoundError
from hpotool.study.wording import count_of

if TYPE_CHECKING:
    from hpotool.storage.database.connection import Connection
    from hpotool.storage.pools.accounts import Quota

app = typer.Typer(cls=Group, help="Limit the GPU-hours of an owner's studies.", invoke_without_command=True)
_OWNER = typer.Argument(metavar="OWNER", help="The owner, as in the study files.", show_default=False)


class Period(str, Enum):
    """How often a quota begins anew."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@app.callback()
def list_all(context: typer.Context, storage: StorageOption = None, format: FormatOption = Format.TABLE) -> None:
    """List the quotas and how much of each is used. Periods begin at midnight, Monday, or the first (UTC)."""
    from hpotool.api.pools import quota_as_data
    from hpotool.storage.pools.accounts import list_quotas

    if context.invoked_subcommand is not None:
        return
    quotas = list_quotas(_connect(storage).run)
    show(
        Answer(
            data={"quotas": [quota_as_data(quota) for quota in quotas]},
            rows=[_cells(quota) for quota in quotas]
            if format is Format.TABLE
            else [quota_as_data(one) for one in quotas],
            value="\n".join(quota.owner for quota in quotas if quota.is_used_up),
            empty="there are no quotas; to set one: hpotool quota set OWNER 100 --per week",
        ),
        format,
    )


@app.command("set", cls=Command)
def set_quota(
    owner: Annotated[str, _OWNER],
    gpu_hours: Annotated[
        float, typer.Argument(metavar="GPU_HOURS", help="How many in each period.", show_default=False)
    ],
    per: Annotated[Period, typer.Option(help="When it begins anew.")] = Period.MONTH,
    storage: StorageOption = None,
) -> None:
    """Limit an owner's GPU-hours in each day, week or month; replaces an earlier limit for it."""
    from hpotool.api.actor import current_actor
    from hpotool.api.pools import check_quota
    from hpotool.storage.pools import accounts
    from hpotool.study.wording import format_amount

    check_quota(owner, gpu_hours)
    accounts.set_quota(_connect(storage).run, owner, per.value, gpu_hours, current_actor())
    say(f"the studies of {owner} may use {format_amount(gpu_hours)} GPU-hours a {per.value}")


@app.command("remove", cls=Command)
def remove_quota(
    owner: Annotated[str, _OWNER],
    per: Annotated[Period | None, typer.Option(help="Only this one [default: all].", show_default=False)] = None,
    storage: StorageOption = None,
) -> None:
    """Remove an owner's quotas."""
    from hpotool.storage.pools import accounts

    count = accounts.remove_quota(_connect(storage).run, owner, None if per is None else per.value)
    if not count:
        raise NotFoundError(f"{owner} has no quota{f' a {per.value}' if per else ''}", "hpotool quota")
    say(f"removed {count_of(count, 'quota')} of {owner}")


def _connect(storage: str | None) -> Connection:
    from hpotool.cli.database import connect
    from hpotool.storage.database.schema import check_schema

    connection = connect(storage)
    check_schema(connection)
    return connection


def _cells(quota: Quota) -> dict[str, Any]:
    from hpotool.study.wording import format_amount

    return {
        "owner": quota.owner,
        "per": quota.period,
        "GPU-hours": format_amount(quota.gpu_hours),
        "used": f"{quota.used:.2f}",
        "": "used up" if quota.is_used_up else "",
        "until (UTC)": _short(quota.until),
        "set by": quota.set_by,
    }


def _short(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")
