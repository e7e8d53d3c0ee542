# ruff: noqa: ASYNC240 - looking at a test's own folder blocks nobody
"""The ledger: its file, its migrations, machines, leases, and who works which pool."""

from __future__ import annotations

import asyncio
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import IntegrityError

from vmm_core.errors import Impossible, NotFound, Unavailable
from vmm_core.model import LeaseState, MachineState, Needs
from vmm_core.store import Store
from vmm_core.store.records import Backoff, Binding
from vmm_core.store.states import FROM
from vmm_core.store.tables import leases as lease_table
from vmm_core.store.tables import metadata

from ..ledgers import POOL, RULES, add, observe, opened, request, vacant
from ..processes import exit_code, forked
from ..world import Clock


async def test_the_migrations_make_the_tables_that_the_code_sees(store: Store):
    def difference(connection) -> list:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    async with store.transactions.write() as tx:
        assert await tx.connection.run_sync(difference) == []


async def test_the_installation_keeps_its_name(url: str, clock: Clock):
    async with opened(url, clock) as first, opened(url, clock) as second:
        assert first.installation
        assert first.installation == second.installation


async def test_many_processes_may_open_an_empty_database_at_once(url: str, tmp_path: Path):
    async def names() -> None:
        async with opened(url, Clock()) as store:
            (tmp_path / f"name-{store.installation}").touch()

    def work() -> None:
        asyncio.run(names())

    pids = [forked(work, tmp_path / f"told-{n}") for n in range(4)]
    codes = [await asyncio.to_thread(exit_code, pid) for pid in pids]
    assert codes == [0] * 4, [p.read_text() for p in tmp_path.glob("told-*")]
    assert len(list(tmp_path.glob("name-*"))) == 1


async def test_all_migrations_are_one_transaction(url: str):
    """Between two commits another process would begin with the migration that we do next."""
    commits: list[object] = []

    def count(connection: object) -> None:
        commits.append(connection)

    event.listen(Engine, "commit", count)
    try:
        async with opened(url, Clock()):
            assert len(commits) == 2  # the migrations, and the name of the installation
    finally:
        event.remove(Engine, "commit", count)


async def test_a_machine_is_vacant_when_address_and_agent_are_there_in_either_order(store: Store):
    await add(store, "a")
    assert not await store.agents.ready("a", RULES)
    assert await observe(store, "a")
    await add(store, "b")
    assert not await observe(store, "b")
    assert await store.agents.ready("b", RULES)
    for name in "ab":
        machine = await store.machines.get(name)
        assert machine.state is MachineState.VACANT
        assert (machine.address, machine.ports) == ("10.0.0.1", {8888: 40001})


async def test_a_machine_without_an_address_is_not_vacant(store: Store):
    await add(store, "a")
    await observe(store, "a", address=None)
    assert not await store.agents.ready("a", RULES)
    assert (await store.machines.get("a")).state is MachineState.PROVISIONED


@pytest.mark.parametrize("to", list(MachineState))
async def test_only_legal_changes_of_state_are_made(store: Store, to: MachineState):
    for come_from in MachineState:
        await add(store, come_from)
        async with store.transactions.write() as tx:
            await tx.connection.execute(
                text("UPDATE machines SET state = :state WHERE id = :id"),
                {"state": come_from, "id": come_from},
            )
        legal = come_from in FROM[to]
        assert await store.machines.move(come_from, to, reason="") is legal
        assert (await store.machines.get(come_from)).state is (to if legal else come_from)


def test_no_way_leads_back_to_vacant():
    after = {MachineState.ACQUIRED}
    for _ in MachineState:
        after |= {to for to, sources in FROM.items() if sources & after}
    assert MachineState.VACANT not in after
    assert MachineState.DELETED in after


async def test_an_enrolment_token_works_once(store: Store):
    await add(store, "a")
    assert await store.agents.enrol("a", "wrong", "r") is None
    machine = await store.agents.enrol("a", "a-token", "r1")
    assert machine is not None
    assert await store.agents.enrol("a", "a-token", "r2") is None
    assert await store.agents.reconnect("a", "r2") is None
    assert await store.agents.reconnect("a", "r1") is not None
    assert await store.agents.reconnect("b", "r1") is None


async def test_a_machine_on_its_way_out_neither_enrols_nor_reconnects(store: Store):
    await add(store, "a")
    await add(store, "b")
    await store.agents.enrol("b", "b-token", "r")
    for name in "ab":
        await store.machines.move(name, MachineState.FAILED, reason="")
    assert await store.agents.enrol("a", "a-token", "r") is None
    assert await store.agents.reconnect("b", "r") is None


async def test_what_the_agent_says_of_its_machine_stays(store: Store):
    await add(store, "a")
    await store.agents.told("a", root="/srv/a", isolation="namespaces")
    await observe(store, "a")
    machine = await store.machines.get("a")
    assert (machine.root, machine.isolation) == ("/srv/a", "namespaces")


async def test_a_key_means_one_lease_while_it_lasts(store: Store):
    await vacant(store, "a")
    await vacant(store, "b")
    first = await request(store, "alice")
    assert (await request(store, "alice")).id == first.id
    assert (await request(store, "bob")).id != first.id
    await store.leases.end(first.id, "released")
    assert (await request(store, "alice")).id != first.id


async def test_a_machine_built_from_what_is_current_is_claimed_first(store: Store):
    await vacant(store, "old", fingerprint="before")
    await vacant(store, "new")
    assert (await request(store, "alice")).machine.id == "new"
    assert (await request(store, "bob")).machine.id == "old"


async def test_those_who_wait_are_served_in_the_order_they_came(store: Store, clock: Clock):
    first = await request(store, "alice")
    clock.turn(1)
    second = await request(store, "bob")
    assert first.state is second.state is LeaseState.WAITING
    await vacant(store, "a")
    assert (await store.leases.get(first.id)).machine.id == "a"
    assert (await store.leases.get(second.id)).machine is None
    await vacant(store, "b")
    assert (await store.leases.get(second.id)).machine.id == "b"


async def test_nothing_is_written_for_what_is_impossible(store: Store):
    with pytest.raises(Impossible, match="64 CPUs"):
        await request(store, "alice", needs=Needs(cpus=64))
    assert await store.leases.all(ended=True) == []


async def test_the_database_itself_refuses_a_second_lease_of_a_machine(store: Store):
    await vacant(store, "a")
    await request(store, "alice")
    other = await request(store, "bob")
    with pytest.raises(IntegrityError):
        async with store.transactions.write() as tx:
            await tx.connection.execute(
                lease_table.update().where(lease_table.c.id == other.id).values(machine="a")
            )


async def test_events_are_numbered_and_end_with_the_lease(store: Store):
    await vacant(store, "a")
    lease = await request(store, "alice")
    await store.leases.tell(lease.id, "binding", 50, "half way")
    assert await store.leases.end(lease.id, "released")
    assert not await store.leases.end(lease.id, "released")
    events = await store.leases.events(lease.id)
    assert [e.number for e in events] == [0, 1, 2, 3]
    assert [e.stage for e in events] == ["requested", "claimed", "binding", "released"]
    assert await store.leases.events(lease.id, since=3) == events[3:]
    assert (await store.machines.get("a")).state is MachineState.DELETING


async def test_a_machine_that_is_replaced_fails_and_its_lease_gets_another(store: Store):
    await vacant(store, "a")
    lease = await request(store, "alice")
    await vacant(store, "b")
    replaced = await store.leases.replace_machine(lease.id, "a", reason="silent", decide=RULES)
    assert replaced.machine.id == "b"
    assert (await store.machines.get("a")).state is MachineState.FAILED
    again = await store.leases.replace_machine(lease.id, "a", reason="silent", decide=RULES)
    assert again.machine.id == "b"
    waits = await store.leases.replace_machine(lease.id, "b", reason="silent", decide=RULES)
    assert waits.state is LeaseState.WAITING


async def test_a_lease_is_bound_only_while_it_holds_the_machine(store: Store):
    await vacant(store, "a")
    lease = await request(store, "alice")
    assert await store.leases.binding(lease.id) is None
    assert not await store.leases.bound(lease.id, "b", Binding("x", 1), "")
    assert await store.leases.bound(lease.id, "a", Binding("x", 8888), "answers")
    assert await store.leases.binding(lease.id) == Binding("x", 8888)
    await store.leases.end(lease.id, "released")
    assert not await store.leases.bound(lease.id, "a", Binding("y", 8888), "")


async def test_a_pool_is_worked_by_one_manager_until_its_lock_runs_out(store: Store, clock: Clock):
    assert await store.pools.lock(["p", "q"], "one", 60) == {"p", "q"}
    assert await store.pools.lock(["p"], "two", 60) == set()
    clock.turn(59)
    assert await store.pools.lock(["p"], "one", 60) == {"p"}
    clock.turn(2)
    assert await store.pools.lock(["p", "q"], "two", 60) == {"q"}
    await store.pools.unlock("one")
    assert await store.pools.lock(["p", "q"], "two", 60) == {"p", "q"}


async def test_orphans_are_confirmed_at_the_second_sighting(store: Store, clock: Clock):
    one, both = {"x": "machine"}, {"x": "machine", "y": "port"}
    assert await store.pools.sight_orphans("c", both, again_after_s=30) == set()
    clock.turn(31)
    assert await store.pools.sight_orphans("c", one, again_after_s=30) == {"x"}
    assert await store.pools.sight_orphans("c", both, again_after_s=30) == {"x"}
    assert await store.pools.sight_orphans("other", one, again_after_s=30) == set()
    assert await store.pools.sight_orphans("c", {}, again_after_s=30) == set()
    assert await store.pools.sight_orphans("c", one, again_after_s=30) == set()


async def test_a_backoff_is_kept_changed_and_forgotten(store: Store, clock: Clock):
    backoff = Backoff("p", 1, clock() + timedelta(seconds=5), "quota", "f")
    await store.pools.back_off(backoff)
    assert (await store.ledger()).backoffs == {"p": backoff}
    stopped = Backoff("p", 8, None, "stopped", "f")
    await store.pools.back_off(stopped)
    assert (await store.ledger()).backoffs == {"p": stopped}
    await store.pools.resume("p")
    assert (await store.ledger()).backoffs == {}


async def test_boot_times_are_measured(store: Store, clock: Clock):
    await add(store, "a")
    clock.turn(12)
    await observe(store, "a")
    await store.agents.ready("a", RULES)
    (seconds,) = (await store.machines.boot_times_s())[POOL.name]
    assert seconds == pytest.approx(12, abs=0.01)


async def test_what_ended_long_ago_is_forgotten(store: Store, clock: Clock):
    for name in "abc":
        await vacant(store, name)
    ended, lasts = await request(store, "alice"), await request(store, "bob")
    await store.leases.end(ended.id, "released")
    for name in "ac":
        await store.machines.move(name, MachineState.DELETING, reason="")
        await store.machines.move(name, MachineState.DELETED, reason="")
    clock.turn(100)
    await store.forget(clock() - timedelta(seconds=200))
    assert len(await store.leases.all(ended=True)) == 2
    await store.forget(clock() - timedelta(seconds=50))
    assert [lease.id for lease in await store.leases.all(ended=True)] == [lasts.id]
    assert [m.id for m in await store.machines.all(deleted=True)] == ["b"]
    assert await store.leases.events(ended.id) == []


async def test_what_never_was_is_not_found(store: Store):
    with pytest.raises(NotFound, match="vmm machines"):
        await store.machines.get("a")
    with pytest.raises(NotFound, match="vmm leases"):
        await store.leases.get("a")


async def test_no_machine_has_two_leases_whoever_claims(url: str, tmp_path: Path):
    """Many claimers in several processes on one database."""
    processes, each, machines = 4, 10, 25
    async with opened(url, Clock()) as store:
        for number in range(machines):
            await vacant(store, f"m{number}")

    async def claim(process: int) -> None:
        async with opened(url, Clock()) as store:
            wanted = [request(store, f"user-{process}-{n}") for n in range(each)]
            same = [request(store, "shared", "same-key") for _ in range(each)]
            await asyncio.gather(*wanted, *same)

    pids = [
        forked(lambda n=n: asyncio.run(claim(n)), tmp_path / f"told-{n}") for n in range(processes)
    ]
    codes = [await asyncio.to_thread(exit_code, pid) for pid in pids]
    assert codes == [0] * processes, [p.read_text() for p in tmp_path.glob("told-*")]
    async with opened(url, Clock()) as store:
        await store.leases.serve(RULES)
        leases = await store.leases.all()
        held = [lease.machine.id for lease in leases if lease.machine is not None]
        assert len(leases) == processes * each + 1
        assert len(held) == len(set(held)) == machines
        acquired = {m.id for m in await store.machines.all() if m.state is MachineState.ACQUIRED}
        assert acquired == set(held)


@pytest.mark.parametrize(
    "bad",
    ["nonsense", "mysql://x/y", "sqlite+aiosqlite:////nowhere/at/all/vmm.sqlite"],
)
async def test_a_database_that_cannot_be_used_is_told_in_one_sentence(bad: str):
    with pytest.raises(Unavailable, match="database") as caught:
        await Store(bad).open()
    assert "\n" not in str(caught.value)


async def test_a_password_in_the_url_is_not_told():
    with pytest.raises(Unavailable) as caught:
        await Store("postgresql+asyncpg://vmm:secret@127.0.0.1:1/vmm").open()
    assert "secret" not in str(caught.value)


async def test_a_file_that_is_no_database_is_told(tmp_path: Path):
    (tmp_path / "x.sqlite").write_text("this is a poem about the sea, long enough to be read")
    with pytest.raises(Unavailable, match=r"x\.sqlite"):
        await Store(f"sqlite+aiosqlite:///{tmp_path / 'x.sqlite'}").open()


async def test_a_newer_database_is_not_touched(tmp_path: Path, clock: Clock):
    url = f"sqlite+aiosqlite:///{tmp_path / 'vmm.sqlite'}"
    async with opened(url, clock) as store, store.transactions.write() as tx:
        await tx.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Unavailable, match="newer version"):
        await Store(url).open()


async def test_the_database_file_is_its_owners_only(tmp_path: Path, clock: Clock):
    async with opened(f"sqlite+aiosqlite:///{tmp_path / 'vmm.sqlite'}", clock):
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
        assert set(modes.values()) == {0o600}, modes
