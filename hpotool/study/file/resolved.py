"""Writes a StudySpec in the grammar of a study file, with every default."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from hpotool.study.file.grammar.study import STUDY
from hpotool.study.spec import StudySpec, defaults_of

# Keys whose values have another shape in the spec; all others are written by their kind.
_SHAPED: Mapping[str, Callable[[StudySpec], Any]] = {
    "study": lambda spec: spec.name,
    "metrics": lambda spec: [{metric.name: metric.direction} for metric in spec.metrics],
    "constraints": lambda spec: [{c.name: f"{c.operator} {c.bound!r}"} for c in spec.constraints],
    "warm_start": lambda spec: [dict(point) for point in spec.warm_start],
}

_DEFAULTS = defaults_of(StudySpec)


def to_document(spec: StudySpec) -> dict[str, Any]:
    """``spec`` as plain JSON data that ``read_study_data`` reads back as equal, also after YAML or jsonb.

    Metrics and parameters are lists of one-key mappings, because their order matters and jsonb does not keep the
    order of keys.
    """
    return {
        name: _SHAPED[name](spec) if name in _SHAPED else key.kind.write(getattr(spec, name))
        for name, key in STUDY.keys.items()
        if not key.is_silent or getattr(spec, name) != _DEFAULTS[name]
    }


def spec_hash(spec: StudySpec) -> str:
    """A SHA-256 hash of the resolved content: equal for equal studies, however their files were written."""
    canonical = json.dumps(to_document(spec), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
