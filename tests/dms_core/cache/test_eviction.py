from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dms_core.cache.eviction import Candidate, Watermarks, choose

candidates = st.lists(
    st.builds(
        Candidate,
        name=st.uuids().map(str),
        cached_bytes=st.integers(0, 1000),
        last_used_s=st.floats(0, 100),
        pinned=st.booleans(),
        busy=st.booleans(),
    ),
    unique_by=lambda one: one.name,
    max_size=30,
)


def test_the_least_recently_used_goes_first() -> None:
    old, new = Candidate("old", 10, 1.0), Candidate("new", 10, 2.0)
    assert choose([new, old], 5) == ["old"]
    assert choose([new, old], 15) == ["old", "new"]


def test_nothing_goes_without_need() -> None:
    assert choose([Candidate("a", 10, 1.0)], 0) == []


@given(candidates, st.integers(1, 5000))
def test_pinned_and_busy_files_are_never_named(files: list[Candidate], excess: int) -> None:
    chosen = set(choose(files, excess))
    assert not {one.name for one in files if one.pinned or one.busy} & chosen


@given(candidates, st.integers(1, 5000))
def test_enough_goes_and_no_more_than_needed(files: list[Candidate], excess: int) -> None:
    by_name = {one.name: one for one in files}
    freed = [by_name[name].cached_bytes for name in choose(files, excess)]
    could = sum(one.cached_bytes for one in files if not (one.pinned or one.busy))
    assert sum(freed) >= min(excess, could)
    assert not freed or sum(freed[:-1]) < excess


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_between_the_watermarks_nothing_is_evicted(limit: int, used: int, wanted: int) -> None:
    excess = Watermarks(limit).excess(used, wanted)
    if used + wanted <= 0.95 * limit:
        assert excess == 0
    else:
        assert used + wanted - excess <= 0.85 * limit or excess == used + wanted
