"""Simulated machines with several processes: each machine's agent is played by one of them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from vmm_core.client import VmmClient
from vmm_core.model import MachineState
from vmm_core.store import Store

from ..service import SESSION, Site, eventually, running
from .cluster import CATALOGUE, MANTID, POOL


async def test_one_plays_each_machine_and_another_when_it_is_gone(tmp_path: Path, url: str):
    site = Site(tmp_path)
    site.catalogue.write_text(
        CATALOGUE.format(state_file=site.state_file, ready=2, maximum=4, agents="true")
    )
    site.boots = False
    store = Store(url)
    await store.open()

    async def played() -> list[str | None]:
        found = await store.machines.all(pool=POOL)
        return [m.replica for m in found if m.state is MachineState.VACANT]

    try:
        async with AsyncExitStack() as second, AsyncExitStack() as first:
            one = await first.enter_async_context(running(site, database=url))
            await eventually(played, lambda seen: len(seen) == 2 and None not in seen)
            two = await second.enter_async_context(running(site, database=url))
            async with VmmClient(one.url, site.tokens["hub"]) as hub:
                lease = await hub.acquire(MANTID, owner="alice", key="k")
                await hub.bind(lease.id, SESSION)
            async with VmmClient(two.url, site.tokens["hub"]) as hub:
                assert (await hub.bind(lease.id, SESSION)).lease == lease.id
                await first.aclose()
                await eventually(played, lambda seen: seen == [two.replica] * 2)
                assert (await hub.bind(lease.id, SESSION)).lease == lease.id
                await hub.release(lease.id)
            assert MachineState.FAILED not in {m.state for m in await store.machines.all()}
    finally:
        await store.close()
