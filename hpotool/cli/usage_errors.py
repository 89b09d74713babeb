"""What Typer says about a wrong command line, in words for people."""

from __future__ import annotations

import re
from difflib import get_close_matches

# What other programs call a command, by the group that it is in.
_ALSO_CALLED_IN_GROUP = {
    "hpotool db": {
        "delete": "destroy",
        "info": "status",
        "migrate": "upgrade",
        "remove": "destroy",
        "restart": "up",
        "rm": "destroy",
        "run": "up",
        "start": "up",
        "stop": "down",
    },
    "hpotool launch": {"here": "local", "k8s": "kubernetes", "sbatch": "slurm"},
    "hpotool quota": {"add": "set", "delete": "remove", "rm": "remove"},
}
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


def plain_usage_error(message: str, group: str = "hpotool") -> str:
    """The sentence without its prefixes, and with what was probably meant in that group of commands."""
    message = message.rstrip(".")
    found = (read(message) for read in (_of_choice, _of_number, _of_sign, _of_words))
    return _of_command(message, group) or next(filter(None, found), message)


def _of_choice(message: str) -> str | None:
    found = re.search(r"'([^']*)' is not one of (.+)$", message)
    if found is None:
        return None
    choices = re.findall(r"'([^']*)'", found[2])
    alike = get_close_matches(found[1], choices, n=1)
    return f"{found[1]!r} is not one of {', '.join(choices)}" + _meant(alike)


def _of_command(message: str, group: str) -> str | None:
    found = re.match(r"No such command '([^']*)'", message)
    known = _ALSO_CALLED if group == "hpotool" else _ALSO_CALLED_IN_GROUP.get(group, {})
    if found is None or found[1] not in known:
        return None
    return f"there is no command {found[1]!r}" + _meant([known[found[1]]])


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
