# ruff: noqa: ASYNC240 - looking at a test's own folder blocks nobody

"""Batches of requests, groups and limits, decided in one transaction, on both databases."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from vmm_core.allocation.rules import Charge, Rules
from vmm_core.errors import Impossible, LimitReached
from vmm_core.model import Environment, LeaseState, Limit, Needs
from vmm_core.store import Store
from vmm_core.store.claims import Asked, Request

from ...support.messages import expected, says
from ..ledgers import FACTS, RULES, add, observe, opened, vacant
from ..processes import exit_code, forked
from ..world import Clock

MACHINES_2 = (Limit(group="beam", machines=2),)


class SlowRules(Rules):
    """Rules by which each decision takes a while, after what is in use was read."""

    def charge(self, *args: object) -> Charge:
        time.sleep(0.05)
        return super().charge(*args)  # type: ignore[arg-type]

    def refusal(self, *args: object) -> str:
        time.sleep(0.05)
        return super().refusal(*args)  # type: ignore[arg-type]


def asks(owner: str, *groups: str, key: str = "k", needs: Needs | None = None) -> Request:
    return Request(owner, "hub", key, needs or Needs(), groups)


async def answered(store: Store, *requests: Request, rules: Rules = RULES):
    return await store.leases.answer(list(requests), rules)


def with_limits(*limits: Limit) -> Rules:
    return Rules([FACTS], limits=limits)


async def stages(store: Store, lease_id: str) -> list[str]:
    return [each.stage for each in await store.leases.events(lease_id)]


async def test_a_batch_is_answered_in_its_order(store: Store):
    for name in ("a", "b"):
        await vacant(store, name)
    found = await answered(store, *(asks(f"u{n}") for n in range(4)))
    assert [each.lease.owner for each in found] == ["u0", "u1", "u2", "u3"]
    assert [each.lease.state for each in found] == [LeaseState.ACQUIRED] * 2 + [
        LeaseState.WAITING
    ] * 2
    assert [each.lease.machine.id for each in found[:2]] == ["a", "b"]
    assert [each.lease.queue.place for each in found[2:]] == [1, 2]
    for each in found:
        stored = await store.leases.get(each.lease.id)
        assert stored == each.lease.model_copy(update={"queue": None})
    assert await stages(store, found[0].lease.id) == ["requested", "claimed"]
    assert await stages(store, found[2].lease.id) == ["requested", "waiting"]
    assert found[3].lease.explanation.summary.endswith("; 1 is before you")
    await vacant(store, "c")
    assert (await store.leases.get(found[2].lease.id)).machine.id == "c"
    assert await stages(store, found[2].lease.id) == ["requested", "waiting", "claimed"]
    assert (await store.leases.get(found[3].lease.id)).machine is None


async def test_one_key_is_one_lease_also_in_one_batch(store: Store):
    await vacant(store, "a")
    first, again, other = await answered(store, asks("u"), asks("u"), asks("u", key="j"))
    assert (first.new, again.new, other.new) == (True, False, True)
    assert first.lease == again.lease
    (later,) = await answered(store, asks("u"))
    assert later == Asked(first.lease, False)


async def test_one_that_is_refused_does_not_disturb_the_others(store: Store):
    await vacant(store, "a")
    rules = with_limits(Limit(user="greedy", machines=0))
    fine, impossible, greedy, also = await answered(
        store,
        asks("u"),
        asks("v", needs=Needs(cpus=64)),
        asks("greedy"),
        asks("w"),
        rules=rules,
    )
    assert fine.lease.machine.id == "a"
    assert isinstance(impossible, Impossible)
    assert isinstance(greedy, LimitReached)
    assert also.lease.state is LeaseState.WAITING
    assert len(await store.leases.all(ended=True)) == 2


async def test_one_that_the_database_refuses_does_not_disturb_the_others(store: Store, url: str):
    await vacant(store, "a")
    bad = asks("nul\0", needs=Needs())
    fine, other = (await answered(store, asks("u"), bad))[:2]
    assert fine.lease.machine.id == "a"
    assert isinstance(other, Exception) is url.startswith("postgresql")


async def test_many_cost_as_many_statements_as_one(store: Store):
    async def statements(number: int) -> int:
        seen: list[str] = []

        def count(_connection, _cursor, statement, *_others) -> None:
            seen.append(statement)

        event.listen(Engine, "before_cursor_execute", count)
        try:
            found = await answered(
                store, *(asks(f"u{n}", "beam", key=f"{number}") for n in range(number))
            )
        finally:
            event.remove(Engine, "before_cursor_execute", count)
        assert all(each.lease.state is LeaseState.ACQUIRED for each in found)
        return len(seen)

    for number in range(21):
        await vacant(store, f"m{number}")
    assert await statements(20) == await statements(1)


async def test_a_users_limit_refuses_and_counts_those_that_wait(store: Store):
    rules = with_limits(Limit(each="user", machines=2))
    await vacant(store, "a")
    two = await answered(store, asks("u", key="1"), asks("u", key="2"), rules=rules)
    assert [each.lease.state for each in two] == [LeaseState.ACQUIRED, LeaseState.WAITING]
    refused, other = await answered(store, asks("u", key="3"), asks("v"), rules=rules)
    assert str(refused) == ("you have 2 machines, the most you may have at once: release one first")
    assert isinstance(other, Asked)
    (raised,) = await answered(
        store, asks("u", key="3"), rules=with_limits(Limit(each="user", machines=3))
    )
    assert isinstance(raised, Asked)


async def test_a_groups_limit_lets_wait_and_is_told(store: Store):
    rules = with_limits(*MACHINES_2)
    for name in "abcd":
        await vacant(store, name)
    found = await answered(store, *(asks(f"u{n}", "beam") for n in range(3)), rules=rules)
    assert [each.lease.group for each in found] == ["beam"] * 3
    third = found[2].lease
    assert third.state is LeaseState.WAITING
    assert third.explanation.held == third.explanation.trouble
    promised = expected("limits", "full: the group's limit").user
    assert says(promised, third.explanation.summary)
    (other,) = await answered(store, asks("v", "other"), rules=rules)
    assert other.lease.machine.id == "c"
    await store.leases.end(found[0].lease.id, "released")
    assert await store.leases.serve(rules) == 1
    assert (await store.leases.get(third.id)).machine.id == "d"


async def test_a_limit_that_is_raised_or_lowered_counts_at_the_next_decision(store: Store):
    for name in "abc":
        await vacant(store, name)
    found = await answered(
        store, *(asks(f"u{n}", "beam") for n in range(3)), rules=with_limits(*MACHINES_2)
    )
    assert await store.leases.serve(with_limits(Limit(group="beam", machines=1))) == 0
    assert await store.leases.serve(with_limits(Limit(group="beam", machines=3))) == 1
    assert (await store.leases.get(found[2].lease.id)).group == "beam"


async def test_who_waits_is_told_when_a_limit_comes_and_goes(store: Store):
    (held,) = (await answered(store, asks("u", "beam")))[:1]
    closed = with_limits(Limit(group="beam", machines=0))
    await store.leases.explain_all(closed)
    await store.leases.explain_all(closed)
    told = (await store.leases.get(held.lease.id)).explanation
    assert told.summary.startswith("your group beam may not have a machine")
    await store.leases.explain_all(RULES)
    assert (await store.leases.get(held.lease.id)).explanation.held == ""
    assert await stages(store, held.lease.id) == ["requested", "waiting", "waiting", "waiting"]


async def test_who_comes_next_is_told_so_once(store: Store, clock: Clock):
    found = []
    for owner in ("u", "v", "w"):
        clock.turn(1)
        found += await answered(store, asks(owner))
    second, third = (each.lease.id for each in found[1:])
    assert (await store.leases.get(second)).explanation.summary.endswith("; 1 is before you")
    await vacant(store, "a")
    for _ in range(2):
        await store.leases.explain_all(RULES)
    assert "before you" not in (await store.leases.get(second)).explanation.summary
    assert await stages(store, second) == ["requested", "waiting", "waiting"]
    assert await stages(store, third) == ["requested", "waiting"]


async def test_groups_take_turns_over_many_passes(store: Store, clock: Clock):
    await answered(store, *(asks(f"b{n}", "big") for n in range(4)))
    clock.turn(1)
    await answered(store, *(asks(f"s{n}", "small") for n in range(2)))
    order = []
    for name in "abcdef":
        await vacant(store, name)
        order += [
            lease.owner
            for lease in await store.leases.all()
            if lease.machine and lease.machine.id == name
        ]
    assert order == ["b0", "s0", "b1", "s1", "b2", "b3"]


async def test_an_environment_for_others_is_not_given(store: Store):
    staff = Environment(name="mantid", title="Mantid", groups=("staff",))
    rules = Rules([replace(FACTS, environment=staff)])
    await vacant(store, "a")
    guest, member = await answered(
        store, asks("u", "guests"), asks("v", "guests", "staff"), rules=rules
    )
    assert isinstance(guest, Impossible)
    assert (member.lease.group, member.lease.machine.id) == ("staff", "a")


async def test_a_lease_ends_when_the_rules_say_so(store: Store):
    def ends_at(group, environment, start):
        return start + timedelta(hours=1) if (group, environment) == ("g", "mantid") else None

    rules = replace(RULES, ends_at=ends_at)
    await vacant(store, "a")
    first, second = await answered(store, asks("u", "g"), asks("v", "g"), rules=rules)
    assert first.lease.ends_at is not None
    assert second.lease.ends_at is None
    await store.agents.ready(await vacant_later(store, "b"), rules)
    assert (await store.leases.get(second.lease.id)).ends_at is not None
    lost = await store.leases.replace_machine(second.lease.id, "b", reason="x", decide=rules)
    assert (lost.state, lost.ends_at) == (LeaseState.WAITING, None)


async def vacant_later(store: Store, name: str) -> str:
    """A machine that only waits for its agent."""
    await add(store, name)
    await observe(store, name)
    return name


@pytest.mark.parametrize("whose", ["user", "group"])
async def test_eight_at_one_last_slot(url: str, tmp_path: Path, whose: str):
    """In as many processes, and with a wide window between reading and writing."""
    limit = Limit(user="u", machines=3) if whose == "user" else Limit(group="g", machines=3)
    rules = SlowRules([FACTS], limits=(limit,))
    async with opened(url, Clock()) as store:
        for number in range(12):
            await vacant(store, f"m{number:02}")
        await answered(store, asks("u", "g", key="1"), asks("u", "g", key="2"), rules=rules)
    at = time.time() + 1

    async def claim(number: int) -> None:
        async with opened(url, Clock()) as store:
            await asyncio.sleep(max(0, at - time.time()))
            await answered(store, asks("u", "g", key=f"race-{number}"), rules=rules)

    pids = [forked(lambda n=n: asyncio.run(claim(n)), tmp_path / f"told-{n}") for n in range(8)]
    codes = [await asyncio.to_thread(exit_code, pid) for pid in pids]
    assert codes == [0] * 8, [p.read_text() for p in tmp_path.glob("told-*")]
    async with opened(url, Clock()) as store:
        leases = await store.leases.all()
        held = [lease for lease in leases if lease.machine is not None]
        assert len(held) == 3
        assert len(leases) == (3 if whose == "user" else 10)
