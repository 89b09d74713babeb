"""A StudySpec back in the grammar of a study file, with every default written out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hpotool.study.file.grammar import STUDY
from hpotool.study.spec import StudySpec

# What a spec holds in another shape than the file; every other key is written by its kind.
_SHAPED: Mapping[str, Callable[[StudySpec], Any]] = {
    "study": lambda spec: spec.name,
    "metrics": lambda spec: [{metric.name: metric.direction} for metric in spec.metrics],
    "constraints": lambda spec: [{c.name: f"{c.operator} {c.bound!r}"} for c in spec.constraints],
    "warm_start": lambda spec: [dict(point) for point in spec.warm_start],
}


def to_document(spec: StudySpec) -> dict[str, Any]:
    """``spec`` as plain JSON data that ``read_study_data`` reads back as an equal one.

    Metrics and parameters are lists of one-key mappings, because their order matters and jsonb does not keep that
    of keys.
    """
    return {
        name: _SHAPED[name](spec) if name in _SHAPED else key.kind.write(getattr(spec, name))
        for name, key in STUDY.keys.items()
        if not key.is_silent or getattr(spec, name) != getattr(StudySpec, name)
    }
