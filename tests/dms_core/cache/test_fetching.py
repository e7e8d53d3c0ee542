from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dms_core.cache.fetching import runs


@given(st.sets(st.integers(0, 60)), st.integers(1, 10))
def test_runs_cover_exactly_the_missing_blocks(blocks: set[int], most: int) -> None:
    found = runs(sorted(blocks), most)
    assert [block for run in found for block in run] == sorted(blocks)
    assert all(1 <= len(run) <= most for run in found)
    for one, next_one in pairwise(found):
        assert one.stop < next_one.start or len(one) == most
