"""The time of leases in the store: ends, extensions, taking back, and races between them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from vmm_core.errors import Conflict, LimitReached, NotFound
from vmm_core.lifetimes.rules import End, Warn, fitting, judge, kept_until
from vmm_core.model import Lease, LeaseState, Lifetime, Limit, MachineState

from ..ledgers import ALICE, OPERATOR, Book, book

HOUR = 3600
EIGHT = Lifetime(hours=8, extend_hours=4, extensions=1, undelete_hours=24)


async def look(b: Book, *, quiet: frozenset[str] = frozenset()) -> list[Warn | End]:
    """What a keeper does in one step."""

    def due(term, now):
        lifetime = fitting(b.lifetimes, term.group, term.environment)
        return judge(term, lifetime, now, quiet=term.machine in quiet)

    found = await b.store.lifetimes.terms(b.clock() + timedelta(hours=10), quiet)
    done = [await b.store.lifetimes.act(term.lease, due, b.lifetimes) for term in found]
    return [each for each in done if each is not None]


async def release(b: Book, lease: Lease, *, settled: bool = True) -> None:
    until = kept_until(b.lifetimes, "", "mantid", b.clock())
    await b.store.leases.end(lease.id, "released", settled=settled, kept_until=until)


async def stages(b: Book, lease: Lease) -> list[str]:
    return [event.stage for event in await b.store.leases.events(lease.id)]


async def test_a_lease_gets_its_end_with_its_machine_and_is_warned_and_ended_once(url: str):
    async with book(url, [EIGHT]) as b, book(url, [EIGHT]) as other:
        lease = await b.lease()
        assert lease.ends_at is not None
        assert lease.ends_at - lease.created_at == pytest.approx(
            timedelta(hours=8), abs=timedelta(seconds=1)
        )
        await b.bound(lease)
        b.clock.turn(7.1 * HOUR)
        other.clock.at = b.clock.at
        done = await asyncio.gather(look(b), look(other))
        assert sorted(map(len, done)) == [0, 1]
        assert await look(b) == []
        b.clock.turn(HOUR)
        other.clock.at = b.clock.at
        done = await asyncio.gather(look(b), look(other))
        assert sorted(map(len, done)) == [0, 1]
        assert await stages(b, lease) == ["requested", "claimed", "ready", "warning", "released"]
        ended = await b.store.leases.get(lease.id)
        assert ended.state is LeaseState.RELEASED
        assert ended.machine is not None
        assert ended.machine.state is MachineState.HELD
        assert "session has not ended yet" in ended.machine.reason


async def test_without_a_lifetime_nothing_ends(url: str):
    async with book(url) as b:
        lease = await b.lease()
        assert lease.ends_at is None
        await b.bound(lease)
        b.clock.turn(10_000 * HOUR)
        assert await look(b) == []
        with pytest.raises(Conflict, match="no end"):
            await b.store.lifetimes.extend(lease.id, ALICE, b.lifetimes, b.rules.facts)


async def test_an_extension_is_warned_of_anew_and_noted(url: str):
    async with book(url, [EIGHT]) as b:
        lease = await b.lease()
        b.clock.turn(7.5 * HOUR)
        assert isinstance((await look(b))[0], Warn)
        longer = await b.store.lifetimes.extend(lease.id, ALICE, b.lifetimes, b.rules.facts)
        assert lease.ends_at is not None
        assert longer.ends_at == lease.ends_at + timedelta(hours=4)
        assert longer.extensions == 1
        with pytest.raises(Conflict, match="extended once, which is the most"):
            await b.store.lifetimes.extend(lease.id, ALICE, b.lifetimes, b.rules.facts)
        assert await look(b) == []
        b.clock.turn(3.9 * HOUR)
        assert isinstance((await look(b))[0], Warn)
        more = await b.store.lifetimes.extend(
            lease.id, OPERATOR, b.lifetimes, b.rules.facts, hours=10
        )
        assert more.ends_at == longer.ends_at + timedelta(hours=10)
        found = await b.store.audit.entries(lease=lease.id)
        assert [(each.actor, each.action) for each in found] == [
            ("alice", "extend"),
            ("operator", "extend"),
        ]
        assert found[0].detail == f"until {longer.ends_at:%Y-%m-%d %H:%M} UTC"
        with pytest.raises(NotFound):
            await b.store.lifetimes.extend("l-none", ALICE, b.lifetimes, b.rules.facts)
        await release(b, lease)
        with pytest.raises(Conflict, match="has ended: acquire again"):
            await b.store.lifetimes.extend(lease.id, ALICE, b.lifetimes, b.rules.facts)


async def test_what_was_never_used_is_not_kept(url: str):
    async with book(url, [EIGHT]) as b:
        lease = await b.lease()
        await release(b, lease)
        assert await b.state(lease) is MachineState.DELETING


async def test_a_lease_is_taken_back_with_its_machine_when_its_session_has_ended(url: str):
    async with book(url, [EIGHT]) as b:
        lease = await b.lease()
        await b.bound(lease)
        await release(b, lease, settled=False)
        restore = partial(b.store.lifetimes.restore, lease.id, ALICE, b.lifetimes, b.rules)
        with pytest.raises(Conflict, match="still being ended: try again in a moment"):
            await restore()
        assert not await b.store.machines.settle(lease.machine.id)
        b.clock.turn(20 * HOUR)
        back = await restore()
        assert (await restore()).id == back.id  # again is fine
        assert back.state is LeaseState.ACQUIRED
        assert back.machine is not None
        assert back.machine.id == lease.machine.id
        assert back.machine.state is MachineState.ACQUIRED
        assert back.ends_at is not None
        assert back.ends_at - b.clock() == pytest.approx(
            timedelta(hours=4), abs=timedelta(seconds=1)
        )
        assert back.extensions == 1
        assert await b.store.leases.binding(lease.id) is None
        await b.bound(back)
        await b.store.leases.end(lease.id, "released", settled=True, kept_until=None)
        assert await b.state(lease) is MachineState.DELETING
        assert await stages(b, lease) == [
            *("requested", "claimed", "ready", "released", "restored", "ready", "released"),
        ]
        assert [each.action for each in await b.store.audit.entries()] == ["restore"]
        with pytest.raises(Conflict, match="its machine is gone: acquire again"):
            await restore()


async def test_after_its_time_only_an_operator_takes_it_back(url: str):
    async with book(url, [EIGHT]) as b:
        lease = await b.lease()
        await b.bound(lease)
        await release(b, lease)
        b.clock.turn(24.1 * HOUR)
        with pytest.raises(Conflict, match=r"could be taken back until 2026-01-02 00:00 UTC"):
            await b.store.lifetimes.restore(lease.id, ALICE, b.lifetimes, b.rules)
        back = await b.store.lifetimes.restore(
            lease.id, OPERATOR, b.lifetimes, b.rules, operator=True
        )
        assert back.state is LeaseState.ACQUIRED


async def test_the_time_of_a_kept_machine_ends_when_it_holds_nothing(url: str):
    async with book(url, [EIGHT]) as b:
        lease = await b.lease()
        await b.bound(lease)
        await release(b, lease)
        assert await b.state(lease) is MachineState.HELD
        assert not await b.store.machines.settle(lease.machine.id)
        await b.store.machines.hold(lease.machine.id, "1 file")
        b.clock.turn(25 * HOUR)
        assert not await b.store.machines.settle(lease.machine.id)
        await b.store.machines.hold(lease.machine.id, "")
        assert await b.store.machines.settle(lease.machine.id)
        assert await b.state(lease) is MachineState.DELETING


async def test_limits_count_for_what_is_taken_back(url: str):
    limits = [Limit(each="user", machines=1), Limit(group="isis", machines=2)]
    async with book(url, [EIGHT], limits) as b:
        lease = await b.lease()
        await b.bound(lease)
        await release(b, lease)
        other = await b.lease(key="another")
        with pytest.raises(LimitReached, match="you have 1 machine, the most you may have"):
            await b.store.lifetimes.restore(lease.id, ALICE, b.lifetimes, b.rules)
        await release(b, other)
        assert await b.store.lifetimes.restore(lease.id, ALICE, b.lifetimes, b.rules)

        theirs = await b.lease("bob", groups=("isis",))
        await b.bound(theirs)
        await release(b, theirs)
        for user in ("carol", "dave"):
            assert (await b.lease(user, groups=("isis",))).group == "isis"
        with pytest.raises(LimitReached, match="your group isis has 2 machines"):
            await b.store.lifetimes.restore(theirs.id, ALICE, b.lifetimes, b.rules)


async def test_a_lease_in_its_place_comes_first(url: str):
    async with book(url, [EIGHT]) as b:
        lease = await b.lease()
        await b.bound(lease)
        await release(b, lease)
        other = await b.lease()
        assert other.id != lease.id
        with pytest.raises(Conflict, match=f"lease {other.id} was acquired in place of"):
            await b.store.lifetimes.restore(lease.id, ALICE, b.lifetimes, b.rules)


async def test_idleness_is_warned_of_and_ends_it_and_work_in_between_saves_it(url: str):
    idle = Lifetime(idle_hours=4, warn_hours=1)
    async with book(url, [idle]) as b:
        lease = await b.lease()
        await b.bound(lease)
        quiet = frozenset({lease.machine.id})
        b.clock.turn(3.5 * HOUR)
        assert await look(b) == []  # nobody says that it is
        assert isinstance((await look(b, quiet=quiet))[0], Warn)
        await b.store.lifetimes.active(lease.machine.id, "2 kernels compute")
        b.clock.turn(2.9 * HOUR)
        assert await look(b, quiet=quiet) == []
        b.clock.turn(0.2 * HOUR)
        assert isinstance((await look(b, quiet=quiet))[0], Warn)
        b.clock.turn(HOUR)
        (end,) = await look(b, quiet=quiet)
        assert isinstance(end, End)
        assert "nothing was in use on its machine since" in end.message
        assert await stages(b, lease) == [
            *("requested", "claimed", "ready", "warning", "warning", "released"),
        ]


@pytest.mark.parametrize("first", range(4))
async def test_an_extension_and_the_end_do_not_both_happen(url: str, first: int):
    async with book(url, [EIGHT]) as b, book(url, [EIGHT]) as other:
        lease = await b.lease()
        await b.bound(lease)
        b.clock.turn(8.1 * HOUR)
        other.clock.at = b.clock.at

        async def extend() -> bool:
            for _ in range(first):
                await asyncio.sleep(0)
            try:
                await b.store.lifetimes.extend(lease.id, ALICE, b.lifetimes, b.rules.facts)
            except Conflict:
                return False
            return True

        extended, done = await asyncio.gather(extend(), look(other))
        after = await b.store.leases.get(lease.id)
        assert extended != bool(done)
        assert extended == (after.ended_at is None)


@pytest.mark.parametrize("first", range(4))
async def test_taking_back_and_deleting_do_not_both_happen(url: str, first: int):
    async with book(url, [EIGHT]) as b, book(url, [EIGHT]) as other:
        lease = await b.lease()
        await b.bound(lease)
        await release(b, lease)
        other.clock.at = b.clock.at + timedelta(hours=25)

        async def restore() -> bool:
            for _ in range(first):
                await asyncio.sleep(0)
            try:
                await b.store.lifetimes.restore(lease.id, ALICE, b.lifetimes, b.rules)
            except Conflict:
                return False
            return True

        restored, deleted = await asyncio.gather(
            restore(), other.store.machines.settle(lease.machine.id)
        )
        assert restored != deleted
        expected = MachineState.ACQUIRED if restored else MachineState.DELETING
        assert await b.state(lease) is expected
