"""The service is killed with -9 at every effect, one after the other, and must come back whole.

A forked process plays a day of a small facility on a simulated cloud that is
kept in a file, and kills itself at its n-th effect: before and after every
commit of the store and every create and delete at a cloud. Another one then starts on what
is left and must converge: nothing leaks, nothing is leased twice, and a
repeated request gets the lease that it got before.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from vmm_core.model import LeaseState, MachineState
from vmm_core.store import Store
from vmm_core.store.engine import Transaction
from vmm_core.store.transactions import Transactions

from .processes import exit_code, forked
from .world import Clock, World, session, world

AT_ONCE = 2
USERS = {"alice": "k1", "bob": "k2", "carol": "k3"}


class Killer:
    """Counts effects and ends the process at one of them, as kill -9 would."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.count = 0

    def effect(self) -> None:
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def killing_store(killer: Killer) -> Callable[..., Store]:
    class Killing(Transactions):
        @asynccontextmanager
        async def write(self) -> AsyncIterator[Transaction]:
            async with super().write() as tx:
                raw = await tx.connection.get_raw_connection()
                before = raw.driver_connection.total_changes
                yield tx
                changed = raw.driver_connection.total_changes > before
                if changed:
                    killer.effect()  # all written, nothing committed
            if changed:
                killer.effect()  # committed, nobody knows

    return partial(Store, transactions=Killing)


def kill_in_calls(w: World, killer: Killer) -> None:
    """Let every call of a cloud be an effect, before and after."""

    def wrapped(call):
        async def killing(*args):
            killer.effect()
            result = await call(*args)
            killer.effect()
            return result

        return killing

    for cloud in w.clouds.values():
        for verb in ("create", "delete"):
            setattr(cloud, verb, wrapped(getattr(cloud, verb)))


async def day(folder: Path, killer: Killer) -> None:
    """Three people come and go; two answers of the cloud are lost on the way."""
    async with world(folder, make_store=killing_store(killer)) as w:
        kill_in_calls(w, killer)
        await w.step(2)
        await ask(w, folder, "alice")
        await ask(w, folder, "bob")
        w.clouds["ral-sim"].inject("lost-answer")
        await w.step(2)
        alice = await ask(w, folder, "alice")
        await w.leases.bind(alice.id, session())
        (folder / "released").write_text("alice")
        await w.leases.release(alice.id)
        w.clouds["ral-sim"].inject("delete-lost-answer")
        await ask(w, folder, "carol")
        await w.step(2)
        (folder / "released").write_text("alice bob")
        for lease in await w.leases.list("bob"):
            await w.leases.release(lease.id)
        await w.step()


async def ask(w: World, folder: Path, user: str):
    """Acquire, and remember the answer as the user's browser would."""
    lease = await w.acquire(user, USERS[user])
    (folder / f"lease-{user}").write_text(lease.id)
    return lease


async def recover(folder: Path) -> None:
    """Start again on what is left, and look."""
    clock = Clock()
    clock.turn(60)
    async with world(folder, clock=clock) as w:
        await converge(w)
        released = (folder / "released").read_text() if (folder / "released").exists() else ""
        for user, key in USERS.items():
            remembered = folder / f"lease-{user}"
            lease = await w.acquire(user, key)
            if remembered.exists() and user not in released:
                assert lease.id == remembered.read_text(), f"{user} got another lease"
        await converge(w)
        leases = await w.leases.list()
        assert {lease.owner for lease in leases} == set(USERS)
        assert all(lease.state is LeaseState.ACQUIRED for lease in leases)
        for lease in leases:
            await w.leases.release(lease.id)
        await converge(w)
        assert await w.by_state() == {MachineState.VACANT: 1}


async def check_leases(w: World) -> None:
    """No machine has two leases, and no lease holds what is not acquired."""
    held = [lease.machine for lease in await w.leases.list() if lease.machine is not None]
    assert len({machine.id for machine in held}) == len(held)
    assert all(machine.state is MachineState.ACQUIRED for machine in held)
    acquired = {machine.id for machine in await w.machines(MachineState.ACQUIRED)}
    assert acquired == {machine.id for machine in held}


async def converge(w: World) -> None:
    """Step until nothing moves any more; then the clouds have what the ledger has."""
    for _ in range(12):
        await w.step(turn_s=20)
        await check_leases(w)
        machines = {machine.id: machine.state for machine in await w.store.machines.all()}
        (ral, _) = await w.manager.status()
        full = ral.machines.get(MachineState.VACANT) or sum(ral.machines.values()) == 3
        settled = {MachineState.VACANT, MachineState.ACQUIRED}
        waiting = any(lease.machine is None for lease in await w.leases.list())
        quiet = not waiting and settled >= set(machines.values())
        if full and quiet and w.at_clouds() == set(machines):
            return
    raise AssertionError(f"not settled: {machines}, at the clouds: {w.at_clouds()}")


def count_effects(template: Path, folder: Path) -> int:
    """How many effects the day has when nobody is killed."""
    shutil.copytree(template, folder)
    counted, told = folder / "effects", folder / "told"

    def work() -> None:
        killer = Killer(None)
        asyncio.run(day(folder, killer))
        counted.write_text(str(killer.count))

    assert exit_code(forked(work, told)) == 0, told.read_text()
    return int(counted.read_text())


def kill_and_recover(folder: Path, at: int) -> None:
    """The day until effect ``at``, then the recovery."""
    told = folder / "told"
    killed = forked(lambda: asyncio.run(day(folder, Killer(at))), told)
    if exit_code(killed) not in (0, -signal.SIGKILL):  # 0: this time there were fewer effects
        raise AssertionError(told.read_text())
    asyncio.run(recover(folder))


@pytest.mark.timeout(300)
def test_kill_9_at_every_effect_leaks_nothing_and_leases_nothing_twice(tmp_path: Path):
    template = tmp_path / "template"
    template.mkdir()

    async def empty() -> None:
        async with world(template):
            pass

    asyncio.run(empty())
    effects = count_effects(template, tmp_path / "whole")
    assert effects > 50
    running: dict[int, int] = {}
    failures = []
    try:
        for at in range(1, effects + 1 + AT_ONCE):
            if at > AT_ONCE:
                begun = at - AT_ONCE
                pid = next(pid for pid, number in running.items() if number == begun)
                folder = tmp_path / f"{begun}"
                del running[pid]
                if exit_code(pid) != 0:
                    failures.append(f"killed at {begun}: {(folder / 'failure').read_text()}")
                shutil.rmtree(folder)
            if at <= effects:
                folder = tmp_path / f"{at}"
                shutil.copytree(template, folder)
                work = forked(lambda f=folder, n=at: kill_and_recover(f, n), folder / "failure")
                running[work] = at
    finally:
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    assert not failures, "\n".join(failures[:3])
