"""What is wrong with a text that is not YAML, in words for people who do not know how YAML is parsed."""

from __future__ import annotations

import yaml


def describe_syntax(error: yaml.MarkedYAMLError) -> tuple[yaml.Mark | None, str]:
    """The place and the problem, as a sentence with its correction."""
    problem, context = error.problem or "", error.context or ""
    here, start = error.problem_mark or error.context_mark, error.context_mark or error.problem_mark
    if r"'\t'" in problem:
        return here, "a tab cannot be used here; indent with spaces"
    if "document" in problem:
        return here, "a second document starts here, but a study file has only one; remove the line ---"
    if "mapping values are not allowed" in problem:
        return here, "a second ': ' on one line; put the inner key on its own line, or quote the text"
    if "undefined alias" in problem:
        return here, f"{problem.removeprefix('found ')}; write &name before the value that *name repeats"
    if "could not find expected ':'" in problem:
        return start, "a key without ':' after it; write it as key: value"
    if "flow node" in context:
        is_end = "stream end" in problem
        return (
            here,
            "a [ or { is not closed; close it" if is_end else "a value is missing here, or a ',' is too many",
        )
    if "flow" in context:
        bracket = "{" if "mapping" in context else "["
        return start, f"this {bracket} is not closed; close it, or put a ',' between its items"
    if "quoted scalar" in context:
        return start, "this quote is not closed; close it on the same line"
    if "block" in context:
        return here, "this is not aligned with the lines above; indent lines that belong together equally"
    return here, f"this is not YAML: {context} {problem}".strip()
