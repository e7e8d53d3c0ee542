from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from vmm_core.agent.backoff import delays


@given(first=st.floats(0.01, 2), most=st.floats(2, 60), count=st.integers(1, 30))
def test_delays_grow_to_a_ceiling_and_never_vanish(first: float, most: float, count: int) -> None:
    waits = list(islice(delays(first, most), count))
    for number, wait in enumerate(waits):
        ceiling = min(most, first * 2**number)
        assert ceiling / 2 <= wait <= ceiling
