"""Questions between replicas over real HTTP, and what goes wrong with them."""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path

import aiohttp
import pytest

from vmm_core.model import MachineState
from vmm_core.pools.agents import AgentAway
from vmm_core.replicas import elsewhere as module
from vmm_core.replicas.elsewhere import PATH, Elsewhere
from vmm_core.replicas.tickets import Tickets
from vmm_core.service import Service
from vmm_core.signing import Signer
from vmm_core.store import Store
from vmm_core.store.records import Replica

from ...support.messages import expected, says
from ...support.servers import free_port
from ..service import Site, eventually, running

PART = "vmm-replicas"


async def replica_and_machine(site: Site) -> tuple[Replica, str]:
    """The running service as the ledger has it, and a machine whose agent it has."""
    store = Store(site.settings().database)
    await store.open()
    try:

        async def vacant() -> list[str]:
            found = await store.machines.all()
            return [m.id for m in found if m.state is MachineState.VACANT and m.replica]

        (machine,) = await eventually(vacant)
        (replica,) = await store.replicas.all()
        return replica, machine
    finally:
        await store.close()


def asker(key_file: Path) -> Elsewhere:
    return Elsewhere(Tickets(Signer.load_or_create(key_file), "asker"))


async def refused(
    asked: Elsewhere, replica: Replica, machine: str, situation: str, log: pytest.LogCaptureFixture
) -> None:
    """A probe finds no agent, and user and operator read what is promised."""
    log.clear()
    row = expected(PART, situation)
    try:
        with pytest.raises(AgentAway) as away:
            await asked.probe(replica, machine, 2)
    finally:
        await asked.close()
    assert says(row.user, str(away.value))
    (record,) = [r for r in log.records if r.name == module.__name__]
    assert record.levelno == logging.WARNING
    assert says(row.operator, record.getMessage())


async def test_a_question_is_answered(tmp_path: Path):
    site = Site(tmp_path)
    async with running(site):
        replica, machine = await replica_and_machine(site)
        asked = asker(tmp_path / "vmm-key.pem")
        assert await asked.probe(replica, machine, 2)
        with pytest.raises(AgentAway):
            await asked.probe(replica, "another-machine", 2)
        assert not await asked.unbind(replica, "another-machine", "l1", 2)
        await asked.close()


async def test_a_replica_with_another_key_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    site = Site(tmp_path)
    async with running(site):
        replica, machine = await replica_and_machine(site)
        other = asker(tmp_path / "other.pem")
        await refused(other, replica, machine, "wrong key file", caplog)


async def test_a_replica_that_is_gone_has_no_agent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    now = Store("sqlite+aiosqlite://").now()
    gone = Replica("gone", f"http://127.0.0.1:{free_port()}", now, now)
    situation = "gone: the replica that has the agent"
    await refused(asker(tmp_path / "key.pem"), gone, "m1", situation, caplog)


async def test_a_replica_that_hangs_has_no_agent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "SILENT_S", 0.2)
    now = Store("sqlite+aiosqlite://").now()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hung = Replica("hung", f"http://127.0.0.1:{silent.getsockname()[1]}", now, now)
        situation = "slow: the replica that has the agent hangs"
        await refused(asker(tmp_path / "key.pem"), hung, "m1", situation, caplog)


async def test_a_question_follows_nobody_to_another_place(tmp_path: Path):
    came = []

    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.read(100))
        writer.close()

    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        to = f"http://127.0.0.1:{there.sockets[0].getsockname()[1]}/"
        writer.write(f"HTTP/1.1 307 x\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    there = await asyncio.start_server(other, "127.0.0.1", 0)
    here = await asyncio.start_server(stranger, "127.0.0.1", 0)
    async with there, here:
        now = Store("sqlite+aiosqlite://").now()
        url = f"http://127.0.0.1:{here.sockets[0].getsockname()[1]}"
        asked = asker(tmp_path / "key.pem")
        with pytest.raises(AgentAway):
            await asked.probe(Replica("moved", url, now, now), "m1", 2)
        await asked.close()
    assert not came


@pytest.mark.parametrize("token", ["", "wrong", "hub's"])
async def test_no_token_of_a_frontend_opens_it(tmp_path: Path, token: str):
    site = Site(tmp_path)
    async with running(site) as service, aiohttp.ClientSession() as http:
        bearer = site.tokens["hub"] if token == "hub's" else token
        status = await ask(http, service, bearer)
        assert status == (403 if token else 401)


async def ask(http: aiohttp.ClientSession, service: Service, bearer: str) -> int:
    url = f"{service.url}{PATH}/m1/probe"
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    async with asyncio.timeout(10), http.post(url, data=b"{}", headers=headers) as answer:
        await answer.read()
        return answer.status
