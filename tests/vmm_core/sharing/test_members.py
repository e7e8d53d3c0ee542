"""Grants on leases and the audit log, in the store."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from vmm_core.errors import Conflict, NotAllowed, NotFound
from vmm_core.model import MachineState, Role
from vmm_core.store.records import Actor

from ..ledgers import ALICE, BOB, OPERATOR, Book, book


async def lines(b: Book, lease_id: str | None = None) -> list[tuple[str, str, str]]:
    found = await b.store.audit.entries(lease=lease_id)
    assert [each.number for each in found] == sorted({each.number for each in found})
    return [(each.actor, each.action, each.subject) for each in found]


async def test_who_is_let_in_enters_and_each_step_has_its_line(url: str):
    async with book(url) as b:
        lease = await b.lease()
        members = b.store.members
        made = await members.grant(lease.id, "bob", Role.MEMBER, ALICE)
        assert (made.user, made.role, made.granted_by) == ("bob", Role.MEMBER, "alice")
        assert await members.grant(lease.id, "bob", Role.MEMBER, ALICE) == made
        with pytest.raises(Conflict, match="no session runs"):
            await members.enter(lease.id, BOB)
        await b.bound(lease)
        entered, port = await members.enter(lease.id, BOB)
        assert (entered.id, port) == (lease.id, 8888)
        await members.enter(lease.id, ALICE)
        assert await members.leases_of("bob") == {lease.id}
        with pytest.raises(NotAllowed, match=r"carol may not enter .* let alice or an operator"):
            await members.enter(lease.id, Actor("carol", "hub"))
        assert await lines(b, lease.id) == [
            ("alice", "grant", "bob"),
            ("bob", "enter", "member"),
            ("alice", "enter", "owner"),
        ]


async def test_a_grant_is_taken_back_at_once_and_given_anew(url: str):
    async with book(url) as b:
        lease = await b.lease()
        await b.bound(lease)
        members = b.store.members
        await members.grant(lease.id, "sam", Role.SUPPORT, OPERATOR)
        sam = Actor("sam", "hub")
        await members.enter(lease.id, sam)
        assert await members.revoke(lease.id, "sam", ALICE)
        assert not await members.revoke(lease.id, "sam", ALICE)
        with pytest.raises(NotAllowed):
            await members.enter(lease.id, sam)
        assert await members.living(lease.id) == []
        await members.grant(lease.id, "sam", Role.SUPPORT, ALICE)
        await members.grant(lease.id, "sam", Role.MEMBER, ALICE)
        (left,) = await members.living(lease.id)
        assert left.role is Role.MEMBER
        assert [action for _, action, _ in await lines(b)] == [
            *("grant", "enter", "revoke", "grant", "grant"),
        ]


async def test_grants_end_with_the_lease(url: str):
    async with book(url) as b:
        lease = await b.lease()
        await b.store.members.grant(lease.id, "bob", Role.MEMBER, ALICE)
        with pytest.raises(Conflict, match="alice's own"):
            await b.store.members.grant(lease.id, "alice", Role.MEMBER, OPERATOR)
        await b.store.leases.end(lease.id, "released", by=OPERATOR)
        assert await b.store.members.living(lease.id) == []
        assert await b.store.members.leases_of("bob") == set()
        with pytest.raises(NotAllowed):
            await b.store.members.enter(lease.id, BOB)
        with pytest.raises(Conflict, match="has ended: there is nothing to enter"):
            await b.store.members.enter(lease.id, ALICE)
        with pytest.raises(Conflict, match="has ended: nobody can be let in"):
            await b.store.members.grant(lease.id, "bob", Role.MEMBER, ALICE)
        with pytest.raises(NotFound):
            await b.store.members.grant("l-none", "bob", Role.MEMBER, ALICE)
        assert (await lines(b, lease.id))[-1] == ("operator", "release", "")


async def test_a_list_of_members_from_elsewhere_is_taken_over(url: str):
    async with book(url) as b:
        lease = await b.lease()
        topcat = Actor("topcat", "topcat")
        members = b.store.members
        await members.are(lease.id, ["bob", "carol", "alice"], Role.MEMBER, topcat)
        await members.are(lease.id, ["carol", "dave"], Role.MEMBER, topcat)
        await members.are(lease.id, ["carol", "dave"], Role.MEMBER, topcat)
        assert [each.user for each in await members.living(lease.id)] == ["carol", "dave"]
        assert await lines(b, lease.id) == [
            ("topcat", "grant", "bob"),
            ("topcat", "grant", "carol"),
            ("topcat", "revoke", "bob"),
            ("topcat", "grant", "dave"),
        ]


async def test_who_reads_on_from_the_last_line_misses_none(url: str):
    async with book(url) as b:
        leases = [await b.lease(key=f"k{n}") for n in range(4)]
        seen: list[int] = []

        async def read() -> None:
            since = 0
            while len(seen) < 40:
                for entry in await b.store.audit.entries(since=since, most=3):
                    seen.append(entry.number)
                    since = entry.number + 1
                await asyncio.sleep(0)

        async def write(number: int) -> None:
            for user in range(10):
                await b.store.members.grant(leases[number].id, f"u{user}", Role.MEMBER, ALICE)

        async with asyncio.timeout(60):
            await asyncio.gather(read(), *(write(n) for n in range(4)))
        assert len(set(seen)) == 40


async def test_lines_outlive_their_lease_and_are_forgotten_by_their_own_age(url: str):
    async with book(url) as b:
        lease = await b.lease()
        await b.store.members.grant(lease.id, "bob", Role.MEMBER, ALICE)
        await b.store.leases.end(lease.id, "released")
        await b.store.machines.move(lease.machine.id, MachineState.DELETED, reason="gone")
        b.clock.turn(100)
        await b.store.forget(b.clock())
        with pytest.raises(NotFound):
            await b.store.leases.get(lease.id)
        assert await lines(b, lease.id) == [("alice", "grant", "bob")]
        await b.store.audit.forget(b.clock() - timedelta(seconds=200))
        assert len(await lines(b)) == 1
        await b.store.audit.forget(b.clock())
        assert await lines(b) == []
