"""Numbers for names, on both databases: the same for ever, whoever asks first."""

from __future__ import annotations

import asyncio

import pytest

from vmm_core.store import Store
from vmm_core.store.topcat import TopcatRows


@pytest.fixture
def rows(stores: list[Store]) -> list[TopcatRows]:
    """Of several processes."""
    return [TopcatRows(store.transactions) for store in stores]


async def test_a_name_has_one_number_whoever_asks(rows: list[TopcatRows]) -> None:
    names = [f"lease-{number}" for number in range(20)]
    asked = [each.numbers("lease", names) for each in rows for _ in range(4)]
    answers = await asyncio.gather(*asked)
    assert all(answer == answers[0] for answer in answers)
    assert len(set(answers[0].values())) == len(names)
    assert all(0 < number < 1 << 31 for number in answers[0].values())
    for name, number in answers[0].items():
        assert await rows[0].name("lease", number) == name


async def test_kinds_do_not_mix(rows: list[TopcatRows]) -> None:
    one = await rows[0].numbers("environment", ["mantid"])
    other = await rows[0].numbers("cloud", ["mantid"])
    assert one != other
    assert await rows[0].name("cloud", one["mantid"]) is None
    assert await rows[0].name("environment", 1 << 30) is None
    assert await rows[0].numbers("lease", []) == {}
