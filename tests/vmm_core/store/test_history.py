"""How many requests came: counted from leases by the hour, once, on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from vmm_core.model import Needs
from vmm_core.store import Store

from ..world import Clock, World, world


def wanted(needs: Needs, groups: Sequence[str]) -> str | None:
    return None if needs.cpus > 100 else f"{needs.environment}@{'-'.join(groups)}"


async def told(store: Store) -> list[tuple[str, int, int, int]]:
    found = await store.history.arrivals(datetime(2026, 1, 1, tzinfo=UTC))
    return [(each.pool, each.hour.hour, each.requests, each.served) for each in found]


async def ask(w: World, number: int, **needs: object) -> None:
    await w.acquire(owner=f"u{number}", key=f"k{number}", needs=Needs(**needs))


async def test_requests_of_whole_hours_are_counted_once(url: str, tmp_path) -> None:
    clock = Clock()
    async with world(tmp_path, url=url, clock=clock) as w:
        history = w.store.history
        assert await history.counted_until() is None
        clock.turn(600)
        await w.step(4)
        for number in range(3):
            await ask(w, number, environment="mantid")
        assert await history.gather(wanted) == datetime(2026, 1, 1, tzinfo=UTC)
        assert await told(w.store) == []  # the hour is not over
        clock.turn(3000)  # one hour, but for those late in the ledger
        await history.gather(wanted)
        assert await told(w.store) == []
        clock.turn(60)
        for _ in range(2):  # as two replicas do
            assert await history.gather(wanted) == datetime(2026, 1, 1, 1, tzinfo=UTC)
            assert await told(w.store) == [("mantid@", 0, 3, 1)]  # one was served at once
        await ask(w, 7, environment="mantid")
        clock.turn(2 * 3600)
        await history.gather(wanted)
        assert [each[1:3] for each in await told(w.store)] == [(0, 3), (1, 1)]
        assert await history.counted_until() == datetime(2026, 1, 1, 3, tzinfo=UTC)


async def test_counts_outlive_the_leases_and_are_forgotten_when_told(url: str, tmp_path) -> None:
    clock = Clock()
    async with world(tmp_path, url=url, clock=clock) as w:
        await ask(w, 1, environment="mantid")
        clock.turn(3 * 3600)
        await w.store.history.gather(wanted)
        for lease in await w.store.leases.all():
            await w.store.leases.end(lease.id, "over", settled=True)
        await w.step(3)
        await w.store.forget(clock() + timedelta(seconds=1))
        assert await w.store.leases.all(ended=True) == []
        await w.store.history.gather(wanted)
        assert len(await told(w.store)) == 1
        await w.store.history.forget(clock())
        assert await told(w.store) == []
        assert await w.store.history.counted_until() is not None
