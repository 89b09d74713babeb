"""What Typer says about a wrong command line, in words for people."""

from __future__ import annotations

import re
from difflib import get_close_matches

# What other programs call a command.
_ALSO_CALLED = {
    "cancel": "stop",
    "continue": "resume",
    "copy": "clone",
    "create": "create-study",
    "info": "show",
    "kill": "stop",
    "list": "studies",
    "ls": "studies",
    "new": "init",
    "optimize": "worker",
    "remove": "delete",
    "restart": "resume",
    "rm": "delete",
    "start": "worker",
    "ui": "dashboard",
}
_NAME = r"Invalid value for (?P<name>'.+?'(?: / '.+?')*): "
_NUMBERS = {
    r"Input should be a valid integer.*": "must be a whole number",
    r"Input should be a valid number.*": "must be a number",
    r"Input should be greater than or equal to (?P<limit>\S+)": "must be {limit} or more",
    r"Input should be less than or equal to (?P<limit>\S+)": "must be {limit} or less",
}


def plain_usage_error(message: str) -> str:
    """The sentence without its prefixes, and with what was probably meant."""
    message = message.rstrip(".")
    found = (read(message) for read in (_of_choice, _of_command, _of_number, _of_sign, _of_words))
    return next(filter(None, found), message)


def _of_choice(message: str) -> str | None:
    found = re.search(r"'([^']*)' is not one of (.+)$", message)
    if found is None:
        return None
    choices = re.findall(r"'([^']*)'", found[2])
    alike = get_close_matches(found[1], choices, n=1)
    return f"{found[1]!r} is not one of {', '.join(choices)}" + _meant(alike)


def _of_command(message: str) -> str | None:
    found = re.match(r"No such command '([^']*)'", message)
    if found is None or found[1] not in _ALSO_CALLED:
        return None
    return f"there is no command {found[1]!r}" + _meant([_ALSO_CALLED[found[1]]])


def _of_number(message: str) -> str | None:
    for pattern, sentence in _NUMBERS.items():
        found = re.fullmatch(_NAME + pattern, message)
        if found is not None:
            named = found["name"].replace("'", "").replace(" / ", ", ").strip("[]")
            return f"{named} {sentence.format(**found.groupdict())}"
    return None


def _of_sign(message: str) -> str | None:
    found = re.fullmatch(r"No such option: (-\d\S*)", message)
    return None if found is None else f"{found[1]} is below zero, and this takes no such number"


def _of_words(message: str) -> str | None:
    found = re.fullmatch(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", message)
    if found is None:
        return None
    return f"unexpected extra argument{'s' if ' ' in found[1] else ''} {found[1]}"


def _meant(words: list[str]) -> str:
    return f"; did you mean {words[0]!r}?" if words else ""
