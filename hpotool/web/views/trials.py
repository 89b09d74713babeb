"""The table of a study's trials, chosen, sorted and cut into pages here, so that 10,000 of them cost no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from hpotool.analysis.conditions import read_conditions
from hpotool.analysis.results import metric_names
from hpotool.analysis.selection import Selection, drop_empty, select_trials
from hpotool.analysis.trials import TrialRecord, list_trials
from hpotool.errors import InputError
from hpotool.storage.control.studies import list_attempts
from hpotool.web.source import Source

if TYPE_CHECKING:
    from optuna import Study

STATES = ("RUNNING", "WAITING", "COMPLETE", "PRUNED", "FAIL")
PAGE_SIZE = 50
# Columns whose content lies in the attempts, which cost most to read.
_OF_ATTEMPTS = frozenset({"outcome", "attempts", "reason"})


@dataclass(frozen=True)
class Wish:
    """Which trials, in which order, and which page of them. ``sort`` starts with ``-`` for the largest first."""

    state: str = ""
    where: str = ""
    sort: str = "-trial"
    page: int = 1

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Wish:
        """Read what a person asked for; whatever is none of the choices counts as not given."""
        state, page = query.get("state", "").upper(), query.get("page", "")
        return cls(
            state if state in STATES else "",
            query.get("where", "").strip(),
            query.get("sort", "").strip() or "-trial",
            max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 8 else 1,
        )

    def link(self, **changes: Any) -> str:
        """Return the query of a link with these changes."""
        wish = replace(self, **changes)
        default = Wish()
        return "?" + urlencode({k: v for k, v in vars(wish).items() if v != getattr(default, k)})

    def link_to_sort(self, column: str) -> str:
        """Return the link of a column's heading: sorted by it, or the other way round if it is already."""
        return self.link(sort=f"-{column}" if self.sort == column else column, page=1)

    def order_of(self, column: str) -> str | None:
        """Return how the rows are sorted by a column, as ``aria-sort`` names it."""
        return {column: "ascending", f"-{column}": "descending"}.get(self.sort)


def show_trials(source: Source, study_id: int, query: Mapping[str, str]) -> dict[str, Any]:
    """Return what the table's page shows. A condition that is none is said on the page.

    Raises:
        NotFoundError: there is no such study.
    """
    study, wish, problem = source.study(study_id, with_reevaluations=True), Wish.read(query), None
    try:
        numbers, selected = choose_trials(source, study, wish)
    except InputError as error:
        problem, shown = _without_options(error), replace(wish, where="", sort="-trial")
        numbers, selected = choose_trials(source, study, shown)
    pages = max(1, -(-len(numbers) // PAGE_SIZE))
    wish = replace(wish, page=min(wish.page, pages))
    start = (wish.page - 1) * PAGE_SIZE
    rows = drop_empty(_page_rows(source, study, numbers[start : start + PAGE_SIZE]))
    return {
        "study_id": study_id,
        "name": study.study_name,
        "wish": wish,
        "problem": problem,
        "rows": rows,
        "columns": order_columns(rows, metric_names(study)),
        "states": STATES,
        "total": len(numbers),
        "selected": selected,
        "first": start + 1 if numbers else 0,
        "last": min(start + PAGE_SIZE, len(numbers)),
        "pages": pages,
    }


def order_columns(rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> list[str]:
    """Return the columns of all rows: how a trial ended and its values first, even if the first rows lack them."""
    present = list(dict.fromkeys(name for row in rows for name in row))
    first = ["trial", "state", "outcome", *(name for metric in metrics for name in (metric, f"value_{metric}"))]
    return [*(name for name in dict.fromkeys(first) if name in present), *(n for n in present if n not in first)]


def choose_trials(source: Source, study: Study, wish: Wish) -> tuple[list[int], bool]:
    """Return the numbers of the trials in order, and whether some were left out.

    Raises:
        InputError: the condition is none, or a column does not exist.
    """
    conditions = read_conditions(wish.where) if wish.where else ()
    name = wish.sort.removeprefix("-")
    if not conditions and name == "trial":
        trials = study.get_trials(deepcopy=False)
        numbers = [trial.number for trial in trials if wish.state in ("", trial.state.name)]
        return numbers[:: -1 if wish.sort == "-trial" else 1], len(numbers) < len(trials)
    is_needed = not _OF_ATTEMPTS.isdisjoint([name, *(condition.name for condition in conditions)])
    attempts = list_attempts(source.connection, study.study_name, brief=True) if is_needed else {}
    records = list_trials(study, attempts)
    selection = Selection(
        states=(wish.state,) if wish.state else (),
        where=conditions,
        sort=name,
        descending=wish.sort.startswith("-"),
    )
    chosen = select_trials(records, selection, metric_names(study)[0], is_maximized=False)
    return [record.result.number for record in chosen], len(chosen) < len(records)


def _without_options(error: InputError) -> InputError:
    """The same error without the names of the command's options, which are fields here."""
    hint = (error.hint or "").replace("--where ", "like ")
    return InputError(error.message.removeprefix("--where: ").removeprefix("--sort: "), hint)


def _page_rows(source: Source, study: Study, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Return the rows of one page, whose attempts alone are read."""
    attempts = list_attempts(source.connection, study.study_name, numbers, brief=True)
    wanted = set(numbers)
    records: dict[int, TrialRecord] = {
        record.result.number: record for record in list_trials(study, attempts, numbers=wanted)
    }
    return [records[number].as_row() for number in numbers if number in records]
