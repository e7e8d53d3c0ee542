"""The clerk: what comes together is decided together, and every asker gets an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from vmm_core.claims import Clerk
from vmm_core.errors import Impossible, Unavailable
from vmm_core.model import LeaseState, Needs
from vmm_core.store import Store
from vmm_core.store.claims import Request

from .ledgers import RULES, opened, vacant
from .world import Clock


class Counting:
    """Counts the transactions that a store's leases are asked in, and can hold or break them."""

    def __init__(self, store: Store) -> None:
        self.leases = self
        self.batches: list[int] = []
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken = False
        self._store = store

    async def answer(self, requests: Sequence[Request], rules):
        self.batches.append(len(requests))
        self.begun.set()
        await self.gate.wait()
        if self.broken:
            raise ConnectionError("the database is away")
        return await self._store.leases.answer(requests, rules)


@pytest.fixture
async def counting(tmp_path):
    async with opened(f"sqlite+aiosqlite:///{tmp_path / 'vmm.sqlite'}", Clock()) as store:
        for name in "abc":
            await vacant(store, name)
        yield Counting(store)


def ask(clerk: Clerk, owner: str, **options):
    return asyncio.ensure_future(
        clerk.ask(Request(owner, "hub", "k", **{"needs": Needs()} | options))
    )


async def test_what_gathers_while_one_batch_is_decided_is_the_next(counting):
    clerk = Clerk(counting, lambda: RULES)
    counting.gate.clear()
    first = ask(clerk, "u0")
    await counting.begun.wait()
    others = [ask(clerk, f"u{n}") for n in range(1, 5)]
    await asyncio.sleep(0)
    counting.gate.set()
    found = await asyncio.gather(first, *others)
    assert counting.batches == [1, 4]
    assert [each.lease.state for each in found] == [LeaseState.ACQUIRED] * 3 + [
        LeaseState.WAITING
    ] * 2
    assert [each.lease.owner for each in found] == [f"u{n}" for n in range(5)]


async def test_each_gets_its_own_answer(counting):
    clerk = Clerk(counting, lambda: RULES)
    fine, bad = await asyncio.gather(
        ask(clerk, "u"), ask(clerk, "v", needs=Needs(cpus=99)), return_exceptions=True
    )
    assert fine.lease.machine.id == "a"
    assert isinstance(bad, Impossible)
    assert counting.batches == [2]


async def test_one_who_goes_away_takes_nobody_along(counting):
    clerk = Clerk(counting, lambda: RULES)
    counting.gate.clear()
    gone, stays = ask(clerk, "u"), ask(clerk, "v")
    await counting.begun.wait()
    gone.cancel()
    counting.gate.set()
    assert (await stays).lease.machine is not None
    again = await ask(clerk, "u")
    assert not again.new, "the lease was made all the same, and the key finds it"


async def test_a_ledger_that_is_away_answers_all_and_the_next_are_served(counting):
    clerk = Clerk(counting, lambda: RULES)
    counting.broken = True
    failed = await asyncio.gather(*(ask(clerk, f"u{n}") for n in range(3)), return_exceptions=True)
    assert [type(each) for each in failed] == [ConnectionError] * 3
    counting.broken = False
    assert (await ask(clerk, "u")).lease.machine is not None


async def test_a_service_that_stops_tells_all_who_wait(counting):
    clerk = Clerk(counting, lambda: RULES)
    counting.gate.clear()
    first = ask(clerk, "u0")
    await counting.begun.wait()
    second = ask(clerk, "u1")
    await asyncio.sleep(0)
    await clerk.close()
    for each in (first, second):
        with pytest.raises(Unavailable, match="ask again"):
            await each


async def test_a_bug_that_one_request_meets_is_no_others_answer(counting, monkeypatch):
    answer = counting.answer

    async def stumble(requests: Sequence[Request], rules):
        if any(request.owner == "odd" for request in requests):
            raise OverflowError("a number that no check foresaw")
        return await answer(requests, rules)

    monkeypatch.setattr(counting, "answer", stumble)
    clerk = Clerk(counting, lambda: RULES)
    told = await asyncio.gather(
        *(ask(clerk, owner) for owner in ("ann", "odd", "bob")), return_exceptions=True
    )
    assert isinstance(told[1], OverflowError)
    assert [each.lease.owner for each in (told[0], told[2])] == ["ann", "bob"]
    assert {each.lease.state for each in (told[0], told[2])} == {LeaseState.ACQUIRED}
