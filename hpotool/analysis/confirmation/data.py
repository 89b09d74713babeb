"""The answer of a confirmation as JSON data, the shape that programs rely on."""

from __future__ import annotations

from typing import Any

from hpotool.analysis.confirmation.answer import ConfirmationAnswer
from hpotool.analysis.confirmation.origins import differs_data
from hpotool.analysis.confirmation.sentence import say_answer


def answer_data(answer: ConfirmationAnswer) -> dict[str, Any]:
    """Return the answer: its state, its sentence, and every point with the best first."""
    return {
        "state": answer.state,
        "sentence": say_answer(answer),
        "confidence": answer.confidence,
        "metrics": dict(answer.metrics),
        "replicates": {
            "asked": len(answer.replicates),
            "finished": answer.count("COMPLETE"),
            "running": answer.count("RUNNING"),
            "waiting": answer.count("WAITING"),
            "failed": answer.count("FAIL", "PRUNED"),
        },
        "differs": differs_data(answer.origins.differs),
        "points": [point.as_data() for point in answer.points],
    }
