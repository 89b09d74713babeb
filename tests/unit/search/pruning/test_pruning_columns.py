import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hpotool.search.pruning.pruning_columns import percentile_of_sorted

VALUES = st.lists(st.floats(allow_nan=False), min_size=1, max_size=30)


@given(values=VALUES, percentile=st.floats(0, 100))
def test_the_percentile_of_sorted_values_is_numpys_to_the_last_bit(values, percentile):
    with np.errstate(all="ignore"):
        expected = float(np.nanpercentile(np.array(values), percentile))
    found = percentile_of_sorted(sorted(values), percentile)
    assert found == expected or (math.isnan(found) and math.isnan(expected))
