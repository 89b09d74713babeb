"""What a check has found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Generic, Literal, TypeVar

from hpotool.errors import HpotoolError

Verdict = Literal["ok", "warning", "broken", "unknown"]
T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """The answer to one check.

    Attributes:
        verdict: ``broken`` keeps workers from working; ``warning`` will cost time or results; ``unknown`` is what
            could not be looked at.
        remedy: what to type or do; empty where all is well.
    """

    verdict: Verdict
    says: str
    remedy: str = ""


def ok(says: str = "") -> Finding:
    """All is well."""
    return Finding("ok", says)


def warning(says: str, remedy: str) -> Finding:
    """It works, and will cost something."""
    return Finding("warning", says, remedy)


def broken(says: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding("broken", says, remedy)


def unknown(says: str) -> Finding:
    """It cannot be seen from here."""
    return Finding("unknown", says)


@dataclass(frozen=True)
class Found:
    """One check's name, what it is about, and its finding."""

    about: str
    check: str
    finding: Finding

    def as_data(self) -> dict[str, Any]:
        """The finding as JSON data."""
        return {"about": self.about, "check": self.check, **asdict(self.finding)}


@dataclass(frozen=True)
class Ward(Generic[T]):
    """Checks about one thing, by their names, each of which looks at the same facts."""

    about: str
    checks: Mapping[str, Callable[[T], Finding]]

    def examine(self, facts: T) -> list[Found]:
        """Every check's finding. One that meets an error does not know; the others go on."""
        return [Found(self.about, name, self.look(name, facts)) for name in self.checks]

    def look(self, name: str, facts: T) -> Finding:
        """One check's finding; where all is well and it has nothing to add, it says what it is about."""
        check = self.checks[name]
        finding = _look(check, facts)
        if finding.verdict == "ok" and not finding.says:
            return ok((check.__doc__ or "").partition("\n")[0].rstrip("."))
        return finding


def _look(check: Callable[[T], Finding], facts: T) -> Finding:
    try:
        return check(facts)
    except HpotoolError as error:
        return unknown(error.message)
    except OSError as error:
        return unknown(str(error))
