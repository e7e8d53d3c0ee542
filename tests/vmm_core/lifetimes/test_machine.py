"""A real agent on a real machine: nobody is at work, so it is warned, ended, and taken back."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import aiohttp
import pytest

import vmm_core.service as wiring
from vmm_core.agent.protocol import UserData
from vmm_core.allocation.facts import PoolFacts
from vmm_core.client import VmmClient
from vmm_core.clouds.base import Cloud, CloudState
from vmm_core.errors import Conflict, Unavailable
from vmm_core.lifetimes import keeper
from vmm_core.model import Handover, LeaseState, MachineState, Needs, Program, Session
from vmm_core.pools.inventory import Inventory
from vmm_core.pools.policy import Policy
from vmm_core.tokens import Scope, add_token

from ...support.servers import free_port
from ..clouds.local_machines import WAYS, assert_gone
from ..service import eventually, serving, settings_in

HERE = "tests.vmm_core.agent.sessions"
WAIT_S = 60
CATALOGUE = """\
locations:
  - {{name: here, title: Here}}
clouds:
  - {{name: here, kind: local, location: here, options: {options}}}
environments:
  - {{name: book, title: Notebooks, preload: ["{preload}"]}}
pools:
  - {{environment: book, cloud: here, size: small, ready: 0, maximum: 1}}
lifetimes:
  - {{idle_hours: {idle}, warn_hours: {warn}, undelete_hours: 1}}
"""


class Eager(Inventory):
    """Its machines say often how busy they are."""

    def user_data(self, pool: PoolFacts, machine_id: str, enrolment_token: str) -> str:
        plain = UserData.model_validate_json(super().user_data(pool, machine_id, enrolment_token))
        return plain.model_copy(update={"activity_s": 0.5}).model_dump_json()


@pytest.fixture(params=WAYS)
def folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    monkeypatch.setattr(wiring, "Inventory", Eager)
    monkeypatch.setattr(keeper, "LOOK_S", 0.3)
    with tempfile.TemporaryDirectory(prefix="vmm-lifetimes-") as path:
        made = Path(path)
        options = {
            "folder": str(made / "machines"),
            "isolation": request.param,
            "sizes": {"small": {"cpus": 1, "ram_gb": 0.5}},
            "stop_timeout_s": 5,
        }
        text = CATALOGUE.format(
            options=json.dumps(options), preload=HERE, idle=5 / 3600, warn=2 / 3600
        )
        (made / "environments.yaml").write_text(text)
        yield made
        if (made / "machines").exists():
            assert_gone(made / "machines", "")


async def test_idle_warned_ended_kept_taken_back_and_the_files_are_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setattr(
        wiring, "Policy", partial(Policy, ports=(port,), interval_s=0.5, busy_interval_s=0.3)
    )
    token = add_token(folder / "tokens.yaml", "hub", (Scope.LEASE_ANY,))
    settings = settings_in(folder, delete_machines_on_stop=True)
    async with serving(settings, WAIT_S) as service, VmmClient(service.url, token) as vmm:
        pools = service._pools
        cloud, owner = pools._inventory.clouds["here"], pools._store.installation
        await _second_life(vmm, port, cloud, owner)


async def _second_life(vmm: VmmClient, port: int, cloud: Cloud, owner: str) -> None:
    lease = await vmm.wait((await vmm.acquire(Needs(), owner="alice")).id, WAIT_S)
    assert lease.machine is not None
    first = _session(port, "web_that_leaves", env={"N": "what alice measured"})
    home = (await _ask(await vmm.bind(lease.id, first)))["env"]["HOME"]

    async def told() -> list[str]:
        events = []
        async for event in vmm.events(lease.id):
            events.append(event)
            if event.stage == "released":
                break
        assert "nothing was in use on its machine since" in events[-1].message
        assert "it can be taken back until" in events[-1].message
        return [event.stage for event in events]

    async with asyncio.timeout(WAIT_S):
        assert (await told())[-3:] == ["ready", "warning", "released"]

    async def rests() -> bool:
        seen = await cloud.list_owned(owner)
        return [machine.state for machine in seen] == [CloudState.SUSPENDED]

    if cloud.abilities.suspend:
        await eventually(rests, within_s=WAIT_S)

    async def restored() -> bool:
        try:
            await vmm.restore(lease.id)
        except Conflict:  # its session is still being ended
            return False
        return True

    (kept,) = await vmm.leases(held=True)
    assert kept.machine is not None
    assert kept.machine.state is MachineState.HELD
    await eventually(restored, within_s=WAIT_S)
    back = await vmm.lease(lease.id)
    assert (back.state, back.machine and back.machine.id) == (
        LeaseState.ACQUIRED,
        lease.machine.id,
    )
    second = _session(port, "web", f"{home}/work")

    async def bound() -> Handover | None:
        try:
            return await vmm.bind(lease.id, second)
        except Unavailable:  # it is still being woken
            return None

    handover = await eventually(bound, within_s=WAIT_S)
    assert handover is not None
    assert (await _ask(handover))["file"] == "what alice measured"
    await vmm.release(lease.id)


def _session(port: int, entry: str, *more: str, env: dict[str, str] | None = None) -> Session:
    program = Program(argv=("web", str(port), *more), entry=f"{HERE}:{entry}", env=env or {})
    return Session(user="alice", program=program, port=port, health_path="/health")


async def _ask(handover: Handover) -> dict[str, dict[str, str]]:
    async with aiohttp.ClientSession() as http, http.get(f"{handover.url}/health") as answer:
        found: dict[str, dict[str, str]] = json.loads(await answer.text())
        return found
