"""Floors in a running manager: schedule, calendar files that change, a forecast from leases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from vmm_core.leases import Leases
from vmm_core.model import MachineState as S
from vmm_core.model import Needs
from vmm_core.pools.manager import PoolManager
from vmm_core.pools.policy import Policy
from vmm_core.pools.sizer import Sizer

from ..world import Clock, World, world

POOL = "mantid@sim/small"
CATALOGUE = """
locations: [{name: ral, title: RAL}]
clouds: [{name: sim, kind: simulated, location: ral}]
environments: [{name: mantid, title: Mantid}]
pools:
  - environment: mantid
    cloud: sim
    size: small
    ready: 1
    maximum: 20
    sizing: {SIZING}
"""


def sized(w: World) -> None:
    """Let the world's manager go by the sizings, as the service's does."""
    w.manager = PoolManager(
        w.store,
        w.inventory,
        w.agents,
        policy=Policy(booting_per_cloud=20),
        floors=Sizer(w.store, w.inventory),
    )
    w.leases = Leases(w.store, w.inventory, w.agents, wake=w.manager.wake)


async def vacant(w: World) -> int:
    await w.step(6)
    return (await w.by_state(POOL)).get(S.VACANT, 0)


async def test_a_schedule_raises_and_lowers_the_floor(tmp_path: Path) -> None:
    schedule = '{schedule: [{cron: "* 8-17 * * *", ready: 4}], minimum: 1}'
    clock = Clock()  # midnight
    async with world(tmp_path, CATALOGUE.replace("{SIZING}", schedule), clock=clock) as w:
        sized(w)
        assert await vacant(w) == 1
        clock.turn(8 * 3600)
        assert await vacant(w) == 4
        clock.turn(10 * 3600)
        assert await vacant(w) == 1


async def test_a_forecast_learns_from_the_leases(tmp_path: Path) -> None:
    forecast = "{forecast: {miss: 0.001, learn_days: 7}}"
    clock = Clock()
    needs = Needs(environment="mantid")
    async with world(tmp_path, CATALOGUE.replace("{SIZING}", forecast), clock=clock) as w:
        sized(w)
        sizer = Sizer(w.store, w.inventory)
        pools = list(w.inventory.catalogue.pools.values())
        first = clock()
        for day in range(11):
            clock.at = first + timedelta(days=day, hours=10)
            for number in range(9):
                lease = await w.acquire(owner=f"u{number}", key=f"{day}", needs=needs)
                await w.store.leases.end(lease.id, "over", settled=True)
            if day < 7:  # a week is what it needs, and `ready` holds until then
                assert (await sizer(pools, clock()))[POOL] == 1
        clock.at = first + timedelta(days=11, hours=10)
        busy = (await sizer(pools, clock()))[POOL]
        restarted = Sizer(w.store, w.inventory)
        assert (await restarted(pools, clock()))[POOL] == busy
        clock.at = first + timedelta(days=11, hours=22)
        quiet = (await sizer(pools, clock()))[POOL]
        assert busy >= 2 > quiet


async def test_a_changed_calendar_counts_at_the_next_step(tmp_path: Path) -> None:
    beam = tmp_path / "beam.ics"

    def write(day: int) -> None:
        beam.write_text(
            "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:1\n"
            f"DTSTAMP:20260101T000000Z\nDTSTART;VALUE=DATE:202601{day:02}\nEND:VEVENT\n"
            "END:VCALENDAR\n"
        )

    write(20)
    calendar = f"{{calendar: [{{file: {beam}, ready: 3}}]}}"
    clock = Clock()
    async with world(tmp_path, CATALOGUE.replace("{SIZING}", calendar), clock=clock) as w:
        sizer = Sizer(w.store, w.inventory)
        pools = list(w.inventory.catalogue.pools.values())

        async def floor() -> int:
            return (await sizer(pools, datetime(2026, 1, 1, 12, tzinfo=UTC)))[POOL]

        assert await floor() == 1
        write(1)
        assert await floor() == 3
        beam.write_text("broken")
        assert await floor() == 3
