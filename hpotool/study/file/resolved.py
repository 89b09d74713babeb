"""A StudySpec back in the grammar of a study file, with every default written out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from hpotool.study.file.grammar import STUDY
from hpotool.study.spec import StudySpec, defaults_of

# What a spec holds in another shape than the file; every other key is written by its kind.
_SHAPED: Mapping[str, Callable[[StudySpec], Any]] = {
    "study": lambda spec: spec.name,
    "metrics": lambda spec: [{metric.name: metric.direction} for metric in spec.metrics],
    "constraints": lambda spec: [{c.name: f"{c.operator} {c.bound!r}"} for c in spec.constraints],
    "warm_start": lambda spec: [dict(point) for point in spec.warm_start],
}

_DEFAULTS = defaults_of(StudySpec)


def to_document(spec: StudySpec) -> dict[str, Any]:
    """``spec`` as plain JSON data that ``read_study_data`` reads back as an equal one; YAML and jsonb keep it.

    Metrics and parameters are lists of one-key mappings, because their order matters and jsonb does not keep that
    of keys.
    """
    return {
        name: _SHAPED[name](spec) if name in _SHAPED else key.kind.write(getattr(spec, name))
        for name, key in STUDY.keys.items()
        if not key.is_silent or getattr(spec, name) != _DEFAULTS[name]
    }


def spec_hash(spec: StudySpec) -> str:
    """Equal for equal studies, however their files were written: SHA-256 over the resolved content."""
    canonical = json.dumps(to_document(spec), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
