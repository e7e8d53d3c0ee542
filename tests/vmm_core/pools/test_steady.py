"""A step that finds all as it should be reads the ledger once and writes nothing."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import event

from vmm_core.model import MachineState
from vmm_core.pools.policy import Policy

from ..world import CATALOGUE, MANTID, World, world

TEXT = CATALOGUE.replace("ready: 1, maximum: 3", "ready: 2, maximum: 9, standby: 1, keep_failed: 1")


def watch(w: World) -> list[str]:
    """The statements that the store sends from now on."""
    statements: list[str] = []
    engine = w.store._database._connected().sync_engine

    @event.listens_for(engine, "before_cursor_execute")
    def note(_connection, _cursor, statement, _parameters, _context, _many):
        statements.append(statement)

    return statements


def writes(statement: str) -> bool:
    return statement != "BEGIN" and not statement.startswith("SELECT")


async def test_a_step_in_steady_state_writes_nothing_and_reads_the_machines_once(tmp_path: Path):
    async with world(tmp_path, TEXT, policy=Policy(lock_s=1000)) as w:
        await w.step(6)
        await w.acquire("alice")
        await w.step(6)
        assert await w.by_state() == {
            MachineState.VACANT: 2,
            MachineState.SUSPENDED: 1,
            MachineState.ACQUIRED: 1,
        }
        await w.step(11)  # what is looked at every few seconds only
        statements = watch(w)
        await w.manager.step()
        assert [s for s in statements if writes(s)] == []
        of_machines = [s for s in statements if "FROM machines" in s]
        assert len(of_machines) == 1


async def test_those_who_wait_are_explained_only_when_something_changed(tmp_path: Path):
    text = CATALOGUE.replace("ready: 1, maximum: 3", "ready: 0, maximum: 1").replace(
        "ready: 0, maximum: 2", "ready: 0, maximum: 1"
    )
    async with world(tmp_path, text, policy=Policy(lock_s=1000)) as w:
        await w.acquire("alice")
        await w.acquire("bob")
        await w.acquire("carol", needs=MANTID)
        await w.step(12)
        statements = watch(w)
        await w.manager.step()
        assert [s for s in statements if writes(s)] == []
