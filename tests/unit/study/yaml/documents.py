"""Generated contents of documents."""

from hypothesis import strategies as st

WRITABLE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Co", "Cn"]), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | WRITABLE
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WRITABLE, inner, max_size=3),
    max_leaves=12,
)
MAPPINGS = st.dictionaries(WRITABLE, DATA, min_size=1, max_size=3)
