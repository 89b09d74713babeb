from __future__ import annotations

from hpotool.drill.objective import Manner, manner_of
from hpotool.drill.scratch import study_data
from hpotool.study.file.reader import read_study_data
from tests.unit.drill.plans import PLAN


def test_the_scratch_study_is_one_that_hpotool_reads_and_begins_with_each_kind_of_point() -> None:
    spec = read_study_data(study_data("drill-1", PLAN))
    assert (spec.name, spec.budget.trials, spec.sampler.seed) == ("drill-1", PLAN.trials, PLAN.seed)
    points = {manner_of(float(dict(point)["x"])) for point in spec.warm_start}
    assert points == set(Manner) - {Manner.SOUND}
